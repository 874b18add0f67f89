#include "hostagent/farewell.h"

namespace entropyd {
namespace {

// A guest that reads is done in microseconds. A user who waits for the process to end does not
// notice this delay.
constexpr int64_t kCheckNanos = 10 * kMillisecondNanos;

}  // namespace

Farewell::Farewell(EventLoop* loop, const Connections* connections)
    : loop_(loop), connections_(connections), check_(loop, [this] { Check(); }) {}

void Farewell::Begin() {
  until_nanos_ = loop_->now_nanos() + kPatienceNanos;
  Check();
}

void Farewell::Check() {
  const int64_t now = loop_->now_nanos();
  if (!connections_->undelivered() || now >= until_nanos_) return loop_->Stop();
  check_.Set(now + kCheckNanos);
}

}  // namespace entropyd
