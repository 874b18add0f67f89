// Bytes per second for people to read: an average over the last few seconds, which fades out.
//
//   meter.Measure(delivered_bytes, seconds_since_the_last_time);   // about once a second
//   meter.rate();
//
// Errors: none.
//
// Thread safety: none; belongs to its owner's thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace entropyd {

class RateMeter {
 public:
  // Sets how many bytes there were before the first Measure(). They count for no rate.
  void Start(uint64_t bytes) { bytes_ = bytes; }

  // `bytes`: all that there ever were.
  void Measure(uint64_t bytes, double seconds) {
    if (seconds <= 0) return;
    const double share = std::min(1.0, seconds / kSeconds);
    rate_ += share * (static_cast<double>(bytes - bytes_) / seconds - rate_);
    if (rate_ < kMin) rate_ = 0;
    bytes_ = bytes;
  }
  double rate() const { return rate_; }

 private:
  // Long enough that people can read the rate, short enough that it follows what they do.
  static constexpr double kSeconds = 4;
  // In bytes/s. An average never fades out by itself.
  static constexpr double kMin = 0.01;

  uint64_t bytes_ = 0;
  double rate_ = 0;
};

}  // namespace entropyd
