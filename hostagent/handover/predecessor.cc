#include "hostagent/handover/predecessor.h"

#include <utility>

#include "absl/time/clock.h"
#include "hostagent/handover/protocol.h"

namespace entropyd {
namespace {

// People do not notice this delay, and the checks go on only for a moment.
constexpr int64_t kCheckNanos = 10 * kMillisecondNanos;

}  // namespace

Predecessor::Predecessor(std::unique_ptr<HandoverLink> link, EventLoop* loop,
                         std::function<void()> gone)
    : link_(std::move(link)),
      loop_(loop),
      gone_(std::move(gone)),
      until_nanos_(loop->clock()->NowNanos() + kExitPatienceNanos),
      check_(loop, [this] { Check(); }) {
  handover::v1::Message message;
  message.mutable_serving();
  link_->Send(message, {}, absl::Now() + kHandoverAnswerPatience).IgnoreError();
  check_.Set(loop->clock()->NowNanos());
}

void Predecessor::Check() {
  const int64_t now = loop_->now_nanos();
  if (link_->TryReceive().ok() && now < until_nanos_) return check_.Set(now + kCheckNanos);
  const std::function<void()> gone = gone_;  // it may destroy this
  gone();
}

}  // namespace entropyd
