// Driver `jitter`: how long the processor takes for the same work. This time varies, because
// caches, prefetchers, clocks of other domains and interrupts interfere. It is for machines that
// have nothing better, and a modest second source for all others.
//
// One delta is the advance of a 64-bit counter (TSC on x86-64, else CLOCK_MONOTONIC in nanoseconds)
// during 256 writes across 512 KiB. One sample is a 64-bit word: 64 deltas, rotated and XORed
// together from zero. It depends on nothing before. So a timer that always measures the same gives
// the same word again, and the health tests see it.
//
// Credit: 1 bit per sample (1/8 bit per byte). An operator who has assessed the machine
// (SP 800-90B) may raise it to 1 bit per delta at most, which is the limit of 8 bits per byte.
//
// A sample takes about 60 µs; paced at 1 KiB/s the source costs less than 1 % of a core.
//
// Errors: as SourceDriver.
//
// Thread safety: as SourceDriver.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/driver/registry.h"

namespace entropyd {

class JitterDriver final : public SourceDriver {
 public:
  static SourceIdentity Identify(const config::v1::SourceConfig& config);
  static std::unique_ptr<SourceDriver> Create(const config::v1::SourceConfig& config,
                                              const SourceIdentity& identity);

  // A counter that never goes back.
  using Counter = uint64_t (*)();
  explicit JitterDriver(Counter counter) : counter_(counter) {}

  absl::StatusOr<std::string> Open() override;
  absl::StatusOr<size_t> Read(absl::Span<uint8_t> out) override;
  void Close() override {}

 private:
  uint64_t Delta();

  const Counter counter_;
  // The memory that the work writes to. It holds no secret.
  std::vector<uint8_t> memory_;
  size_t position_ = 0;
  // The counter at the end of the last delta.
  uint64_t last_ = 0;
};

}  // namespace entropyd
