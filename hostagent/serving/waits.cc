#include "hostagent/serving/waits.h"

#include <algorithm>
#include <numeric>

#include "base/process/nanos.h"

namespace entropyd {

size_t WaitBucket(int64_t nanos) {
  return static_cast<size_t>(
      std::lower_bound(kWaitBoundsNanos.begin(), kWaitBoundsNanos.end(), nanos) -
      kWaitBoundsNanos.begin());
}

double WaitQuantile(absl::Span<const uint64_t> counts, double q) {
  const uint64_t all = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  if (all == 0) return 0;
  double left = q * static_cast<double>(all);
  for (size_t i = 0; i < counts.size() && i < kWaitBoundsNanos.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (here > 0 && left <= here) {
      const auto from = static_cast<double>(i == 0 ? 0 : kWaitBoundsNanos[i - 1]);
      const auto to = static_cast<double>(kWaitBoundsNanos[i]);
      return (from + (to - from) * left / here) / kSecondNanos;
    }
    left -= here;
  }
  return ToSeconds(kWaitBoundsNanos.back());
}

}  // namespace entropyd
