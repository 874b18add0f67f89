#include "base/crypto/openssl_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>

namespace entropyd {
namespace {

// The smallest block: a cache line, which holds an X25519 key.
constexpr size_t kSmallestBlock = 64;

void WipeBlock(void* block) {
  if (block != nullptr) explicit_bzero(block, malloc_usable_size(block));
}

// As OpenSSL's own function: no bytes are no block.
void* Allocate(size_t bytes, const char*, int) { return bytes == 0 ? nullptr : malloc(bytes); }

void Release(void* block, const char*, int) {
  WipeBlock(block);
  free(block);
}

// realloc(3) would leave the old bytes where they were.
void* Reallocate(void* block, size_t bytes, const char*, int) {
  if (block == nullptr) return Allocate(bytes, nullptr, 0);
  if (bytes == 0) {
    Release(block, nullptr, 0);
    return nullptr;
  }
  void* const moved = malloc(bytes);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, std::min(bytes, malloc_usable_size(block)));
  WipeBlock(block);
  free(block);
  return moved;
}

void Install(int, char**, char**) {
  CRYPTO_set_mem_functions(Allocate, Reallocate, Release);
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
}

// OpenSSL takes memory functions only before its first allocation, and its wish for no clean-up
// only with its first initialisation. The constructors of libraries (cpp-httplib) already make
// both. The loader runs this array of the program before them.
[[gnu::used, gnu::section(".preinit_array")]] void (*const kInstall)(int, char**, char**) = Install;

}  // namespace

absl::Status GuardOpenSslMemory(size_t heap_bytes) {
  CRYPTO_free_fn release = nullptr;
  CRYPTO_get_mem_functions(nullptr, nullptr, &release);
  if (release != Release) {
    return absl::InternalError("guard the memory of OpenSSL: it was in use before the program");
  }
  // 2: it is there but not locked, as the limit has it.
  if (CRYPTO_secure_malloc_init(heap_bytes, kSmallestBlock) == 0) {
    return absl::InternalError("guard the memory of OpenSSL: it made no secure heap");
  }
  return absl::OkStatus();
}

}  // namespace entropyd
