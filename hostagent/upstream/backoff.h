// When to try again: exponential back-off with full jitter, so that ten thousand agents whose
// server went away do not come back in step.
//
// Delay n (from 0) is uniform in [0, min(cap, base * 2^n)] ("full jitter", M. Brooker, AWS
// Architecture Blog, 2015).
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace entropyd {

class Backoff {
 public:
  // A server that restarts is back in about a second; half a minute is as long as an operator likes
  // to wait for proof of a repair.
  static constexpr int64_t kBaseNanos = 1'000'000'000;
  static constexpr int64_t kCapNanos = 30'000'000'000;

  // `uniform` gives numbers in [0, 1).
  explicit Backoff(std::function<double()> uniform) : uniform_(std::move(uniform)) {}

  int64_t NextNanos();
  void Reset() { failures_ = 0; }
  // The most that the next delay may be.
  int64_t ceiling_nanos() const;

 private:
  const std::function<double()> uniform_;
  int failures_ = 0;
};

}  // namespace entropyd
