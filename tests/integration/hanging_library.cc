// A library that keeps whoever calls it, for ever.
//
// As a PKCS#11 module it has a token, "entropy", whose generator does not answer. The library's
// destructor waits for the call, as the modules do that end their session there.
//
// Preloaded into a program, it lets no read(2) of the FIFO that STUCK_FIFO names return.
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>

#include "tests/server/driver/pkcs11_answers.h"

namespace {

std::mutex calling;

[[noreturn]] void Hang() {
  while (true) pause();
}

__attribute__((destructor)) void WaitForTheCall() { calling.lock(); }

CK_RV Initialize(void*) { return CKR_OK; }

CK_RV GetInfo(CK_INFO* info) { return entropyd::AnswerInfo("Hanging library", info); }

CK_RV GetSlotList(unsigned char, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (slots != nullptr) slots[0] = 1;
  *count = 1;
  return CKR_OK;
}

CK_RV GetTokenInfo(CK_SLOT_ID, CK_TOKEN_INFO* info) {
  return entropyd::AnswerTokenInfo("entropy", "Test maker", "1", /*has_rng=*/true, info);
}

CK_RV OpenSession(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  *session = 1;
  return CKR_OK;
}

CK_RV CloseSession(CK_SESSION_HANDLE) { return CKR_OK; }

CK_RV GenerateRandom(CK_SESSION_HANDLE, unsigned char*, CK_ULONG) {
  calling.lock();
  Hang();
}

bool IsStuck(int fd) {
  const char* const path = getenv("STUCK_FIFO");
  struct stat named, opened;
  return path != nullptr && fstat(fd, &opened) == 0 && S_ISFIFO(opened.st_mode) &&
         stat(path, &named) == 0 && named.st_ino == opened.st_ino;
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
    f.C_CloseSession = CloseSession;
    f.C_GenerateRandom = GenerateRandom;
    return f;
  }();
  *list = &functions;
  return CKR_OK;
}

extern "C" ssize_t read(int fd, void* bytes, size_t size) {
  if (IsStuck(fd)) Hang();
  return syscall(SYS_read, fd, bytes, size);
}
