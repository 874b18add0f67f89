#include "hostagent/guest/guest_totals.h"

#include <algorithm>
#include <numeric>

namespace entropyd {
namespace {

constexpr double kRateSeconds = 4;
constexpr double kLeastRate = 0.01;  // bytes/s; an average never fades out by itself

}  // namespace

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
      return (from + (to - from) * left / here) / 1e9;
    }
    left -= here;
  }
  return static_cast<double>(kWaitBoundsNanos.back()) / 1e9;
}

double AverageRate(double rate, uint64_t bytes, double seconds) {
  if (seconds <= 0) return rate;
  const double share = std::min(1.0, seconds / kRateSeconds);
  rate += share * (static_cast<double>(bytes) / seconds - rate);
  return rate < kLeastRate ? 0 : rate;
}

uint64_t GuestTotals::wait_count() const {
  return std::accumulate(waits.begin(), waits.end(), uint64_t{0});
}

GuestTotals& GuestTotals::operator+=(const GuestTotals& other) {
  delivered += other.delivered;
  primed += other.primed;
  requests += other.requests;
  throttled_nanos += other.throttled_nanos;
  for (size_t i = 0; i < waits.size(); ++i) waits[i] += other.waits[i];
  wait_sum_nanos += other.wait_sum_nanos;
  return *this;
}

GuestTotals& GuestTotals::operator-=(const GuestTotals& other) {
  delivered -= other.delivered;
  primed -= other.primed;
  requests -= other.requests;
  throttled_nanos -= other.throttled_nanos;
  for (size_t i = 0; i < waits.size(); ++i) waits[i] -= other.waits[i];
  wait_sum_nanos -= other.wait_sum_nanos;
  return *this;
}

void GuestTotals::Save(handover::v1::Totals* saved) const {
  saved->set_delivered(delivered);
  saved->set_primed(primed);
  saved->set_requests(requests);
  saved->set_throttled_nanos(throttled_nanos);
  for (uint64_t n : waits) saved->add_waits(n);
  saved->set_wait_sum_nanos(wait_sum_nanos);
}

GuestTotals GuestTotals::Restore(const handover::v1::Totals& saved) {
  GuestTotals totals;
  totals.delivered = saved.delivered();
  totals.primed = saved.primed();
  totals.requests = saved.requests();
  totals.throttled_nanos = saved.throttled_nanos();
  for (size_t i = 0; i < kWaitBuckets && static_cast<int>(i) < saved.waits_size(); ++i) {
    totals.waits[i] = saved.waits(static_cast<int>(i));
  }
  totals.wait_sum_nanos = saved.wait_sum_nanos();
  return totals;
}

}  // namespace entropyd
