// How fast a source may read its device: a limit on the bytes read since the rate was set.
//
//   const absl::Duration wait = pace.UntilAllowed(rate, now);
//   if (wait == absl::ZeroDuration()) pace.Count(Read(…));
//
// A time without reads gives no right to read faster later.
//
// Errors: none.
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
  // Reads may run ahead of the rate by so much. Without this a fast device would wake the thread
  // thousands of times a second.
  static constexpr int64_t kGrainNanos = 2 * kMillisecondNanos;

  // How long to wait before the next read; zero = read now. A new rate begins a new count.
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
  // The bytes read since then.
  uint64_t bytes_ = 0;
};

}  // namespace entropyd
