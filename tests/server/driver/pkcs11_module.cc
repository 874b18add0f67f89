// A PKCS#11 module with the functions that a source uses. It has one slot with one token ("test
// token"), and a second one ("other token") when told so.
#include "tests/server/driver/pkcs11_module.h"

#include <p11-kit/pkcs11.h>

#include <mutex>
#include <random>
#include <string>
#include <thread>

#include "tests/server/driver/pkcs11_answers.h"

extern "C" {
entropyd::Pkcs11ModuleControl entropyd_test_pkcs11_control;
}

namespace {

auto& control = entropyd_test_pkcs11_control;
constexpr CK_SLOT_ID kSlot = 7, kSecondSlot = 8;

CK_RV Initialize(void*) {
  if (control.initialised > 0) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  ++control.initialised;
  return CKR_OK;
}

CK_RV GetInfo(CK_INFO* info) {
  return entropyd::AnswerInfo(control.is_tpm ? "TPM2.0 Cryptoki" : "Test module", info);
}

CK_RV GetSlotList(unsigned char, CK_SLOT_ID* slots, CK_ULONG* count) {
  const CK_ULONG room = *count;
  *count = control.present ? (control.second_token ? 2 : 1) : 0;
  if (slots == nullptr || room < *count) return CKR_OK;
  if (*count > 0) slots[0] = kSlot;
  if (*count > 1) slots[1] = kSecondSlot;
  return CKR_OK;
}

CK_RV GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  const int serial = slot == kSlot ? control.serial : control.second_serial;
  return entropyd::AnswerTokenInfo(slot == kSlot ? "test token" : "other token",
                                   control.is_softhsm ? "SoftHSM project" : "Test maker",
                                   serial == 0 ? "" : std::to_string(serial), control.has_rng,
                                   info);
}

CK_RV OpenSession(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  if (!control.present) return CKR_TOKEN_NOT_PRESENT;
  ++control.sessions;
  *session = 1;
  return CKR_OK;
}

CK_RV Login(CK_SESSION_HANDLE, CK_USER_TYPE user, unsigned char* pin, CK_ULONG size) {
  ++control.logins;
  if (control.logged_in) return CKR_USER_ALREADY_LOGGED_IN;
  if (user != CKU_USER) return CKR_USER_TYPE_INVALID;
  const std::string given(reinterpret_cast<const char*>(pin), size);
  if (given != entropyd::kPkcs11ModulePin) return CKR_PIN_INCORRECT;
  control.logged_in = true;
  return CKR_OK;
}

CK_RV CloseSession(CK_SESSION_HANDLE) {
  if (--control.sessions == 0) control.logged_in = false;
  return CKR_OK;
}

CK_RV GenerateRandom(CK_SESSION_HANDLE, unsigned char* out, CK_ULONG size) {
  while (control.hang) std::this_thread::yield();
  if (size > control.largest) control.largest = size;
  if (!control.present) return CKR_DEVICE_REMOVED;
  if (control.answer != CKR_OK) return control.answer;
  if (control.wants_login && !control.logged_in) return CKR_USER_NOT_LOGGED_IN;
  static std::mt19937 generator(5);
  for (CK_ULONG i = 0; i < size; ++i) {
    out[i] = control.repeat ? 0x5a : static_cast<unsigned char>(generator());
  }
  return CKR_OK;
}

}  // namespace

extern "C" CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions = [] {
    CK_FUNCTION_LIST f{};
    f.C_Initialize = Initialize;
    f.C_GetInfo = GetInfo;
    f.C_GetSlotList = GetSlotList;
    f.C_GetTokenInfo = GetTokenInfo;
    f.C_OpenSession = OpenSession;
    f.C_Login = Login;
    f.C_CloseSession = CloseSession;
    f.C_GenerateRandom = GenerateRandom;
    return f;
  }();
  *list = &functions;
  return CKR_OK;
}
