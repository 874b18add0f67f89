// How long requests waited, counted in buckets. The shortest wait is a reply from the buffer in the
// same turn of the loop; long ones are those of guests that wait for their ceiling. The bounds are
// those of entropyd_agent_wait_seconds.
//
//   WaitCounts waits;
//   waits.Observe(WaitBucket(nanos), nanos);
//   WaitQuantile(counts, 0.99);   // seconds
//
// Errors: none.
//
// Thread safety: none; belongs to its owner's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace entropyd {

// Upper bounds, inclusive, in nanoseconds. One more bucket holds what is beyond them all.
inline constexpr std::array<int64_t, 21> kWaitBoundsNanos = {
    10'000,         25'000,         50'000,        100'000,       250'000,       500'000,
    1'000'000,      2'500'000,      5'000'000,     10'000'000,    25'000'000,    50'000'000,
    100'000'000,    250'000'000,    500'000'000,   1'000'000'000, 2'500'000'000, 5'000'000'000,
    10'000'000'000, 30'000'000'000, 60'000'000'000};
inline constexpr size_t kWaitBuckets = kWaitBoundsNanos.size() + 1;

// The bucket of a wait.
size_t WaitBucket(int64_t nanos);

// The wait in seconds that a share q of all requests stayed within. It is linear within its bucket,
// the last bound for what is beyond, and 0 when nobody waited.
double WaitQuantile(absl::Span<const uint64_t> counts, double q);

// The waits of one connection.
struct WaitCounts {
  std::array<uint32_t, kWaitBuckets> counts{};
  int64_t sum_nanos = 0;

  void Observe(size_t bucket, int64_t nanos) {
    ++counts[bucket];
    sum_nanos += nanos;
  }
};

}  // namespace entropyd
