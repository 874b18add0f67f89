// Keeps the whole memory of the process out of swap.
//
//   const absl::Status locked = LockMemory();   // before the first secret is read
//   if (!locked.ok() && config.strict_memory()) return locked;
//
// A SecretArena (base/crypto/secret_bytes.h) holds what we allocate ourselves. This is for all the
// rest: what gRPC and OpenSSL copy, hash states, stacks.
//
// Errors: RESOURCE_EXHAUSTED, with the remedy.
//
// Thread safety: main() calls it before other threads start.
#pragma once

#include "absl/status/status.h"

namespace entropyd {

// Locks what is there and what will be mapped later (mlockall). A page is locked when it is first
// touched, so that address space that nobody uses costs nothing: stacks, reserved heaps.
//
// It locks all or nothing: with a limit in bytes, some later allocation would fail in the middle of
// the service. So it needs CAP_IPC_LOCK, or RLIMIT_MEMLOCK without a limit; it raises the soft
// limit to the hard one.
absl::Status LockMemory();

}  // namespace entropyd
