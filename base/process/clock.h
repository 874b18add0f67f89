// The time, for all other code: it gets a Clock and never asks the system.
//
//   SystemClock clock;
//   int64_t start = clock.NowNanos();
//
// Tests and simulations use ManualClock, which moves only when somebody advances it.
//
// Errors: none.
//
// Thread safety: both clocks are safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace entropyd {

// What the rest of the code asks. Owners pass one in; it outlives them.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic nanoseconds since an arbitrary start; never negative, never goes back.
  virtual int64_t NowNanos() const = 0;
  // Civil time. It may jump; use it for certificates and logs only.
  virtual absl::Time WallTime() const = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  int64_t NowNanos() const override;
  absl::Time WallTime() const override;
};

// Stands still until somebody advances it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t start_nanos = 0, absl::Time wall = absl::UnixEpoch())
      : nanos_(start_nanos), wall_start_(wall) {}
  int64_t NowNanos() const override { return nanos_.load(std::memory_order_relaxed); }
  absl::Time WallTime() const override { return wall_start_ + absl::Nanoseconds(NowNanos()); }
  void AdvanceNanos(int64_t nanos) { nanos_.fetch_add(nanos, std::memory_order_relaxed); }
  void Advance(absl::Duration d) { AdvanceNanos(absl::ToInt64Nanoseconds(d)); }

 private:
  std::atomic<int64_t> nanos_;
  const absl::Time wall_start_;
};

}  // namespace entropyd
