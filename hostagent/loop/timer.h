// A one-shot timer of the event loop that ends with its owner. So its function may refer to
// whatever is destroyed after the timer.
//
//   class Session {
//     void OnInput() { patience_.Set(loop_->now_nanos() + kPatienceNanos); }
//     Timer patience_{loop_, [this] { Close("silent for too long"); }};
//   };
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>

#include "base/process/nanos.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

class Timer {
 public:
  // The loop outlives the timer. `run` may set the timer again, and may destroy it.
  Timer(EventLoop* loop, std::function<void()> run);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  // Runs once, in the first turn that begins at `at_nanos` or later. Replaces what was set before;
  // kNever cancels.
  void Set(int64_t at_nanos);
  // The timer will run.
  bool set() const { return at_nanos() != kNever; }
  // When the timer will run; kNever = it will not.
  int64_t at_nanos() const { return id_ == EventLoop::kNoTimer ? kNever : id_.first; }

 private:
  void Run();

  EventLoop* const loop_;
  const std::function<void()> run_;
  EventLoop::TimerId id_ = EventLoop::kNoTimer;
};

}  // namespace entropyd
