#include "base/crypto/openssl_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

// Each test in a program of its own: the secure heap is there once and for all.
class OpenSslMemoryDeathTest : public ::testing::Test {
 protected:
  OpenSslMemoryDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

bool SecureHeapHoldsKeys() {
  if (!GuardOpenSslMemory().ok() || CRYPTO_secure_malloc_initialized() != 1) return false;
  const size_t before = CRYPTO_secure_used();
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  const size_t with_key = CRYPTO_secure_used();
  EVP_PKEY_free(key);
  return key != nullptr && with_key > before;
}

bool FreedBlocksAreZero() {
  if (!GuardOpenSslMemory().ok()) return false;
  // What is freed must stay where it can be read: malloc gives no page back in this process.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // Larger than what malloc writes its own marks into.
  constexpr size_t kBytes = 4096;
  auto* const block = static_cast<unsigned char*>(OPENSSL_malloc(kBytes));
  auto* const moved_from = block;
  memset(block, 0x5a, kBytes);
  auto* const moved = static_cast<unsigned char*>(OPENSSL_realloc(block, 64 * kBytes));
  if (moved == moved_from || moved[kBytes - 1] != 0x5a) return false;
  // Read through a pointer of which the compiler knows nothing.
  const volatile unsigned char* const old = moved_from;
  for (size_t i = 64; i < kBytes; ++i) {
    if (old[i] != 0) return false;
  }
  const volatile unsigned char* const freed = moved;
  OPENSSL_free(moved);
  for (size_t i = 64; i < kBytes; ++i) {
    if (freed[i] != 0) return false;
  }
  return true;
}

TEST_F(OpenSslMemoryDeathTest, M21_PrivateKeysLieInTheSecureHeap) {
  EXPECT_EXIT(_exit(SecureHeapHoldsKeys() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

TEST_F(OpenSslMemoryDeathTest, M21_WhatOpenSslFreesOrMovesIsWiped) {
  EXPECT_EXIT(_exit(FreedBlocksAreZero() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace entropyd
