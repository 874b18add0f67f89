// How fast a device may be read: a ceiling over what was read since the rate was set.
//
//   const absl::Duration wait = pace.UntilAllowed(rate, now);
//   if (wait == absl::ZeroDuration()) pace.Count(Read(…));
//
// Time in which nothing was read is not made up for.
//
// Thread safety: one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"
#include "base/process/nanos.h"

namespace entropyd {

class Pace {
 public:
  // Reads run ahead of the rate by so much at most, or a fast device would wake the thread
  // thousands of times a second.
  static constexpr int64_t kGrainNanos = 2 * kMillisecondNanos;

  // How long to wait before the next read; zero = none. Another rate than last time begins anew.
  // REQUIRES: a rate above 0, in bytes a second.
  absl::Duration UntilAllowed(uint64_t rate, int64_t now_nanos) {
    if (rate != rate_) {
      rate_ = rate;
      Restart(now_nanos);
    }
    const double nanos = static_cast<double>(bytes_) * kSecondNanos / static_cast<double>(rate);
    const int64_t due = since_ + static_cast<int64_t>(nanos);
    if (due - now_nanos > kGrainNanos) return absl::Nanoseconds(due - now_nanos);
    if (due < now_nanos) Restart(now_nanos);
    return absl::ZeroDuration();
  }
  void Count(size_t bytes) { bytes_ += bytes; }

 private:
  void Restart(int64_t now_nanos) {
    since_ = now_nanos;
    bytes_ = 0;
  }

  uint64_t rate_ = 0;
  int64_t since_ = 0;
  // Read since then.
  uint64_t bytes_ = 0;
};

}  // namespace entropyd
