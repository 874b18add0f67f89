// Where OpenSSL keeps secrets, and what is left of them.
//
//   absl::Status guarded = GuardOpenSslMemory();   // first of all
//
// A program that calls it wipes each block that OpenSSL frees, from before main() on: hash states,
// key schedules, records. So what a closed connection leaves behind is zeros.
//
// Such a program does not take OpenSSL apart when it ends: threads of gRPC still work with it then,
// and would crash. The kernel takes all of the memory.
//
// The call gives private keys and the state of generators a heap of their own (OpenSSL's secure
// heap): locked where the limit allows, not dumped, between guard pages. All the rest stays in the
// ordinary heap, because OpenSSL does not let us choose.
//
// Errors: INTERNAL when OpenSSL does not use our functions, or has no memory.
//
// Thread safety: main() calls it once, before keys are read and other threads start.
#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace entropyd {

// A generator takes 256 bytes, an elliptic key 64, an RSA key of 4096 bits 8 KiB. A server has two
// generators for each pool and three for each thread. This is many times what they need, and still
// leaves most of the usual limit of 8 MiB to our arena.
inline constexpr size_t kSecureHeapBytes = 1 << 20;
// OpenSSL keeps the ephemeral key of a TLS connection in that heap, until the connection ends.
inline constexpr size_t kSecureBytesOfAConnection = 64;

// `heap_bytes`: a power of two. When the heap is full, OpenSSL does not fall back to the ordinary
// one: handshakes fail, and so do new generators.
absl::Status GuardOpenSslMemory(size_t heap_bytes = kSecureHeapBytes);

}  // namespace entropyd
