// The way out of a class buffer, past the clone guard: two copies of this process, as of one
// snapshot of its machine, hand out different bytes.
//
//   GuardedBuffer out(&buffer, &clock, &log);
//   out.SetGuard(&guard);
//   if (out.DropIfResumed()) filler->OnResume();
//   size_t taken = out.Take(span);
//
// Errors: none. Where the kernel gives no bytes to mix in, nothing leaves, what was to leave is
// wiped, and the log says so.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "base/process/clock.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "hostagent/serving/clone_guard.h"
#include "hostagent/serving/local_fallback.h"

namespace entropyd {

class GuardedBuffer {
 public:
  // All outlive it.
  GuardedBuffer(LocalFallback* buffer, const Clock* clock, Log* log)
      : buffer_(buffer), clock_(clock), log_(log) {}

  // From now on all bytes leave through `guard`, which outlives it; nullptr = as they came.
  void SetGuard(CloneGuard* guard);

  // Moves out up to out.size() bytes, and returns how many. REQUIRES: DropIfResumed() was called in
  // this turn.
  size_t Take(absl::Span<uint8_t> out);
  // Wipes what another copy of this process may have, if the machine was resumed since the last
  // call. Returns whether it has. Each byte of a pool of quality full is given once, so all of
  // these go. Those of other pools stay: Take() makes them differ.
  bool DropIfResumed();

 private:
  void TellNotMixed();

  LocalFallback* const buffer_;
  const Clock* const clock_;
  Log* const log_;
  CloneGuard* guard_ = nullptr;
  // What the guard said last.
  uint64_t resumes_ = 0;
  LineBudget not_mixed_lines_;
};

}  // namespace entropyd
