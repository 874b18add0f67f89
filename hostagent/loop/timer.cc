#include "hostagent/loop/timer.h"

#include <utility>

namespace entropyd {

Timer::Timer(EventLoop* loop, std::function<void()> run) : loop_(loop), run_(std::move(run)) {}

Timer::~Timer() { Set(kNever); }

void Timer::Set(int64_t at_nanos) {
  if (at_nanos == this->at_nanos()) return;
  loop_->CancelTimer(id_);
  id_ = EventLoop::kNoTimer;
  if (at_nanos != kNever) id_ = loop_->AddTimer(at_nanos, [this] { Run(); });
}

void Timer::Run() {
  id_ = EventLoop::kNoTimer;
  const std::function<void()> run = run_;  // it may destroy this timer, and run_ with it
  run();
}

}  // namespace entropyd
