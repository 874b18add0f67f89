// Where OpenSSL keeps secrets, and what is left of them.
//
//   absl::Status guarded = GuardOpenSslMemory();   // first of all
//
// A program that calls it wipes each block that OpenSSL frees, from before main() on: hash states,
// key schedules, records. So what a closed connection leaves behind is zeros.
//
// The call gives private keys and the state of generators a heap of their own (OpenSSL's secure
// heap): locked where the limit allows, not dumped, between guard pages. All the rest stays in the
// ordinary heap, because OpenSSL does not let us choose.
//
// Errors: INTERNAL when OpenSSL does not use our functions, or has no memory.
//
// Thread safety: main() calls it once, before keys are read and other threads start.
#pragma once

#include "absl/status/status.h"

namespace entropyd {

absl::Status GuardOpenSslMemory();

}  // namespace entropyd
