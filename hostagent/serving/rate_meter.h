// Bytes per second, as people are shown them: an average over the last few seconds, which fades
// out.
//
//   meter.Measure(delivered_bytes, seconds_since_the_last_time);   // about once a second
//   meter.rate();
//
// Thread safety: none of its own.
#pragma once

#include <algorithm>
#include <cstdint>

namespace entropyd {

class RateMeter {
 public:
  // What was there before the first Measure() counts for no rate.
  void Start(uint64_t bytes) { bytes_ = bytes; }

  // `bytes`: all there ever were.
  void Measure(uint64_t bytes, double seconds) {
    if (seconds <= 0) return;
    const double share = std::min(1.0, seconds / kSeconds);
    rate_ += share * (static_cast<double>(bytes - bytes_) / seconds - rate_);
    if (rate_ < kLeast) rate_ = 0;
    bytes_ = bytes;
  }
  double rate() const { return rate_; }

 private:
  // Long enough that a rate can be read, short enough that it follows what people do.
  static constexpr double kSeconds = 4;
  static constexpr double kLeast = 0.01;  // bytes/s; an average never fades out by itself

  uint64_t bytes_ = 0;
  double rate_ = 0;
};

}  // namespace entropyd
