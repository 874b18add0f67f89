#include "hostagent/guest/connection_totals.h"

#include <algorithm>

namespace entropyd {

GuestTotals ConnectionTotals::All(const SoFar& so_far) const {
  GuestTotals all;
  all.delivered = primed_ + so_far.taken;
  all.primed = primed_;
  all.requests = so_far.requests;
  all.throttled_nanos = throttled_nanos_ + so_far.throttled_nanos;
  std::copy(waits_.counts.begin(), waits_.counts.end(), all.waits.begin());
  all.wait_sum_nanos = waits_.sum_nanos;
  return all;
}

GuestTotals ConnectionTotals::Here(const SoFar& so_far) const {
  GuestTotals here = All(so_far);
  if (before_ != nullptr) here -= *before_;
  return here;
}

void ConnectionTotals::Save(const SoFar& so_far, handover::v1::Connection* saved) const {
  saved->set_primed(primed_);
  All(so_far).Save(saved->mutable_totals());
  if (before_ != nullptr) before_->Save(saved->mutable_before());
}

void ConnectionTotals::Restore(const handover::v1::Connection& saved, uint64_t taken) {
  primed_ = saved.primed();
  const GuestTotals totals = GuestTotals::Restore(saved.totals());
  std::copy(totals.waits.begin(), totals.waits.end(), waits_.counts.begin());
  waits_.sum_nanos = totals.wait_sum_nanos;
  throttled_nanos_ = totals.throttled_nanos;
  if (saved.has_before()) {
    before_ = std::make_unique<GuestTotals>(GuestTotals::Restore(saved.before()));
  }
  rate_.Start(primed_ + taken);
}

}  // namespace entropyd
