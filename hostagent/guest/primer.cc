#include "hostagent/guest/primer.h"

#include <algorithm>

namespace entropyd {

void Primer::OnPushed(uint32_t bytes, int64_t now_nanos) {
  left_ -= std::min(left_, bytes);
  if (step_ == 0 || left_ > 0) return;
  pushed_at_ = now_nanos;
  check_interval_ = kFirstCheckNanos;
  next_check_ = now_nanos + check_interval_;
}

void Primer::OnCheck(bool all_read, int64_t now_nanos) {
  if (step_ == 0 || left_ > 0) return;
  if (!all_read) {
    if (now_nanos - pushed_at_ >= kPatienceNanos) return Stop();
    check_interval_ = std::min(2 * check_interval_, kLastCheckNanos);
    next_check_ = now_nanos + check_interval_;
    return;
  }
  if (step_ >= kLastPush) return Stop();
  step_ *= 2;
  left_ = step_;
  next_check_ = kNever;
}

void Primer::Save(uint32_t unsent, int64_t now_nanos, handover::v1::Primer* saved) const {
  saved->set_step(step_);
  saved->set_left(left_ + unsent);
  saved->set_pushed_age_nanos(now_nanos - pushed_at_);
  saved->set_check_interval_nanos(check_interval_);
  saved->set_checks(unsent == 0 && next_check_ != kNever);
  saved->set_check_in_nanos(saved->checks() ? next_check_ - now_nanos : 0);
}

void Primer::Restore(const handover::v1::Primer& saved, int64_t now_nanos) {
  Stop();
  if (saved.step() > kLastPush || saved.left() > saved.step()) return;
  step_ = saved.step();
  left_ = saved.left();
  pushed_at_ = now_nanos - std::clamp(saved.pushed_age_nanos(), int64_t{0}, now_nanos);
  check_interval_ = std::clamp(saved.check_interval_nanos(), kFirstCheckNanos, kLastCheckNanos);
  if (saved.checks()) {
    next_check_ = now_nanos + std::clamp(saved.check_in_nanos(), int64_t{0}, kLastCheckNanos);
  }
}

void Primer::Stop() {
  step_ = 0;
  left_ = 0;
  next_check_ = kNever;
}

}  // namespace entropyd
