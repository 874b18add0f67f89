// When to try again: exponential back-off with full jitter. So ten thousand agents whose server
// went away do not come back in step.
//
//   Backoff backoff(uniform);
//   timer.Set(now + backoff.NextNanos());   // after each failure
//   backoff.Reset();                        // after a success
//
// Delay n (from 0) is uniform in [0, min(cap, base * 2^n)] ("full jitter", M. Brooker, AWS
// Architecture Blog, 2015).
//
// Errors: none.
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/process/nanos.h"

namespace entropyd {

class Backoff {
 public:
  // A server that restarts is back in about a second. An operator waits no more than half a minute
  // for proof of a repair.
  static constexpr int64_t kBaseNanos = kSecondNanos;
  static constexpr int64_t kCapNanos = 30 * kSecondNanos;

  // `uniform` gives numbers in [0, 1).
  explicit Backoff(std::function<double()> uniform) : uniform_(std::move(uniform)) {}

  // The next delay. It counts one more failure.
  int64_t NextNanos();
  void Reset() { failures_ = 0; }
  // The most that the next delay may be.
  int64_t ceiling_nanos() const;

 private:
  const std::function<double()> uniform_;
  int failures_ = 0;
};

// Gives numbers in [0, 1), unlike those of any other process.
std::function<double()> RandomUniform();

}  // namespace entropyd
