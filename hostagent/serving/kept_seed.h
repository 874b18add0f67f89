// The seed of a class's local fallback: bytes that came from upstream before a loss and were set
// aside, in locked memory.
//
//   KeptSeed seed;
//   if (auto status = seed.Allocate(&arena); !status.ok()) return status;
//   buffer->Append(bytes.subspan(seed.SetAside(bytes, now)));
//   if (seed.complete()) status = seed.Instantiate(&drbg, kernel, "local default/gold");
//
// Errors: of Allocate() and Instantiate().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crypto/drbg.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/nanos.h"

namespace entropyd {

class KeptSeed {
 public:
  // Used of an arena: the seed, and the seed that it is mixed into.
  static constexpr size_t kArenaBytes = 2 * 64;
  // A seed older than this is renewed. Then somebody who saw this host's memory long ago learns
  // nothing about the bytes of a later loss.
  static constexpr int64_t kMaxAgeNanos = kHourNanos;

  // Errors: RESOURCE_EXHAUSTED (arena).
  absl::Status Allocate(SecretArena* arena);

  bool complete() const { return fill_ == CtrDrbg::kSeedBytes; }
  // Takes what is missing from the front of `bytes`, and returns how many it took. A complete seed
  // takes none until it is old; then it is replaced in one step, so that there is always a seed.
  // REQUIRES: Allocate() was OK.
  size_t SetAside(absl::Span<const uint8_t> bytes, int64_t now_nanos);
  // Gives the DRBG this seed, XORed with as many of the kernel's bytes. It serves once: it is
  // forgotten then. Errors: UNAVAILABLE (`kernel` gives none), of CtrDrbg::Instantiate. REQUIRES:
  // complete().
  absl::Status Instantiate(CtrDrbg* drbg, const std::function<bool(absl::Span<uint8_t>)>& kernel,
                           absl::string_view personalization);
  // Wipes it.
  void Forget();

 private:
  // `fill_` bytes are there so far.
  SecretBytes bytes_;
  size_t fill_ = 0;
  // When it was complete.
  int64_t since_ = 0;
  // The seed as the DRBG gets it, for a moment.
  SecretBytes mixed_;
};

}  // namespace entropyd
