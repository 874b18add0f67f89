// A descriptor that the event loop watches for its owner, until the owner ends. Declare it after
// the descriptor: then the watch ends first.
//
//   class Listener : public EventLoop::Handler {
//     absl::Status Resume() { return watch_.Begin(socket_.get(), EPOLLIN); }
//     UniqueFd socket_;
//     FdWatch watch_{loop_, this};
//   };
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

class FdWatch {
 public:
  // The loop and the handler outlive the watch. The handler may end it, and may destroy it.
  FdWatch(EventLoop* loop, EventLoop::Handler* handler) : loop_(loop), handler_(handler) {}
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch() { End(); }

  // Watches `fd` for `events` (EPOLL* bits) instead of what it watched before. Errors: of
  // epoll_ctl(2); then it watches nothing.
  absl::Status Begin(int fd, uint32_t events);
  // Watches for other events from now on. Does nothing when it watches nothing.
  void Modify(uint32_t events) { loop_->Modify(id_, events); }
  // No event is delivered any more, not even one that the loop has already.
  void End();

 private:
  EventLoop* const loop_;
  EventLoop::Handler* const handler_;
  EventLoop::WatchId id_ = 0;
};

}  // namespace entropyd
