#include "hostagent/guest/guest_totals.h"

#include <numeric>

namespace entropyd {

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
