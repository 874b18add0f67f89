#include "hostagent/primer.h"

#include <algorithm>

namespace entropyd {

void Primer::OnPushed(uint32_t bytes, int64_t now_nanos) {
  left_ -= std::min(left_, bytes);
  if (step_ == 0 || left_ > 0) return;
  pushed_at_ = now_nanos;
  check_interval_ = kFirstCheckNanos;
  next_check_ = now_nanos + check_interval_;
}

void Primer::OnCheck(bool drained, int64_t now_nanos) {
  if (step_ == 0 || left_ > 0) return;
  if (!drained) {
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

void Primer::Stop() {
  step_ = 0;
  left_ = 0;
  next_check_ = kNever;
}

}  // namespace entropyd
