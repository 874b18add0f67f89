// Random bytes of this host's kernel, by getrandom(2).
//
//   if (!FillFromKernel(absl::MakeSpan(id))) return absl::InternalError(...);
//
// Waits until the kernel's generator is seeded, which may take a moment after boot.
//
// Errors: false when the kernel refuses; errno says why.
//
// Thread safety: a function without state.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace entropyd {

// Fills all of `out`. False when the kernel refuses (errno says why). Then `out` is all zeros, so
// that nobody takes its old contents for random bytes.
bool FillFromKernel(absl::Span<uint8_t> out);

}  // namespace entropyd
