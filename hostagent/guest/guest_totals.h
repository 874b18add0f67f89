// What a guest has had: the figures that accounting is made of.
//
// Waits are counted in buckets whose bounds are those of entropyd_agent_wait_seconds: from a reply
// out of the buffer in the same turn of the loop to a guest that waited for its ceiling.
//
// Thread safety: none of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

// Upper bounds, inclusive, in nanoseconds; one bucket more holds what is beyond them all.
inline constexpr std::array<int64_t, 21> kWaitBoundsNanos = {
    10'000,         25'000,         50'000,        100'000,       250'000,       500'000,
    1'000'000,      2'500'000,      5'000'000,     10'000'000,    25'000'000,    50'000'000,
    100'000'000,    250'000'000,    500'000'000,   1'000'000'000, 2'500'000'000, 5'000'000'000,
    10'000'000'000, 30'000'000'000, 60'000'000'000};
inline constexpr size_t kWaitBuckets = kWaitBoundsNanos.size() + 1;

size_t WaitBucket(int64_t nanos);

// The wait in seconds that a share q of all stayed within: linear within its bucket, the last bound
// for what is beyond; 0 when nobody waited.
double WaitQuantile(absl::Span<const uint64_t> counts, double q);

// What is shown as a rate: `rate` was it, `bytes` have come in the `seconds` since. An average over
// the last few seconds, which fades out.
double AverageRate(double rate, uint64_t bytes, double seconds);

struct GuestTotals {
  uint64_t delivered = 0;  // bytes of entropy, primed ones included
  uint64_t primed = 0;
  uint64_t requests = 0;        // EGD commands
  int64_t throttled_nanos = 0;  // it waited, and only its own ceiling was in the way
  std::array<uint64_t, kWaitBuckets> waits{};
  int64_t wait_sum_nanos = 0;

  uint64_t wait_count() const;
  GuestTotals& operator+=(const GuestTotals& other);
  GuestTotals& operator-=(const GuestTotals& other);
  friend bool operator==(const GuestTotals&, const GuestTotals&) = default;

  void Save(handover::v1::Totals* saved) const;
  static GuestTotals Restore(const handover::v1::Totals& saved);
};

}  // namespace entropyd
