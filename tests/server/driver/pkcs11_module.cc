// A PKCS#11 module with the functions that a source uses. It has one slot with one token ("test
// token"), and a second one ("other token") when told so.
#include "tests/server/driver/pkcs11_module.h"

#include <p11-kit/pkcs11.h>

#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>

extern "C" {
entropyd::Pkcs11ModuleControl entropyd_test_pkcs11_control;
}

namespace {

auto& control = entropyd_test_pkcs11_control;
constexpr CK_SLOT_ID kSlot = 7, kSecondSlot = 8;

void Pad(unsigned char* field, size_t size, const std::string& text) {
  std::memset(field, ' ', size);
  std::memcpy(field, text.data(), text.size());
}

CK_RV Initialize(void*) {
  if (control.initialised > 0) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  ++control.initialised;
  return CKR_OK;
}

CK_RV GetInfo(CK_INFO* info) {
  *info = {};
  Pad(info->libraryDescription, sizeof(info->libraryDescription),
      control.is_tpm ? "TPM2.0 Cryptoki" : "Test module");
  return CKR_OK;
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
  *info = {};
  Pad(info->label, sizeof(info->label), slot == kSlot ? "test token" : "other token");
  const int serial = slot == kSlot ? control.serial : control.second_serial;
  Pad(info->serialNumber, sizeof(info->serialNumber), serial == 0 ? "" : std::to_string(serial));
  Pad(info->manufacturerID, sizeof(info->manufacturerID),
      control.is_softhsm ? "SoftHSM project" : "Test maker");
  Pad(info->model, sizeof(info->model), "T1");
  info->flags = control.has_rng ? CKF_RNG : 0;
  return CKR_OK;
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
