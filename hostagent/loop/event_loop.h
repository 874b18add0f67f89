// One thread that owns every guest: file descriptors by epoll, timers, and a queue through which
// other threads hand in work.
//
//   auto loop = EventLoop::Create(&clock).value();
//   loop->SetAfterBatch([&] { agent.ServeClasses(); });
//   auto watch = loop->Watch(fd, EPOLLIN, &handler);
//   loop->Run();  // until Stop()
//
// The clock is read once per batch: now_nanos() is the time at which the batch began.
//
// Thread safety: Post(), Stop() and heartbeat_nanos() are safe; everything else belongs to the
// thread that calls Run() (or, before that, to the one that sets things up).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/process/fd.h"

namespace entropyd {

class EventLoop {
 public:
  class Handler {
   public:
    // `events` are EPOLL* bits; level-triggered unless watched with EPOLLET, where Modify() has
    // what is so told again. May Unwatch itself and any other.
    virtual void OnEvents(uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  using WatchId = uint64_t;                      // never reused, never 0
  using TimerId = std::pair<int64_t, uint64_t>;  // when, and which
  static constexpr TimerId kNoTimer = {0, 0};

  // Errors: RESOURCE_EXHAUSTED (descriptors).
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(const Clock* clock);

  // The handler outlives the watch, the watch ends before the descriptor is closed. An event that
  // was already fetched is not delivered after Unwatch(), even when the number is in use again.
  absl::StatusOr<WatchId> Watch(int fd, uint32_t events, Handler* handler);
  void Modify(WatchId id, uint32_t events);
  void Unwatch(WatchId id);

  // Runs once, not before `at_nanos`, and without delay while the loop is idle.
  TimerId AddTimer(int64_t at_nanos, std::function<void()> run);
  void CancelTimer(TimerId id);  // of one that ran already: nothing

  // Called after the events, timers and posts of each batch.
  void SetAfterBatch(std::function<void()> run) { after_batch_ = std::move(run); }

  void Post(std::function<void()> run);  // runs on the loop's thread; any thread may call
  void Run();
  void Stop();  // any thread; Run() returns after the batch

  // One batch; waits for it no longer than `max_wait_nanos`.
  void RunOnce(int64_t max_wait_nanos);

  int64_t now_nanos() const { return now_; }
  const Clock* clock() const { return clock_; }
  // When the last batch began: stands still when the loop hangs.
  int64_t heartbeat_nanos() const { return heartbeat_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    int fd = -1;
    Handler* handler = nullptr;
    uint32_t generation = 1;
  };

  EventLoop(const Clock* clock, UniqueFd epoll, UniqueFd wake, UniqueFd timer);
  Slot* Find(WatchId id);  // nullptr = the watch has ended
  void ArmTimer();
  void RunPosted() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunTimers();

  const Clock* const clock_;
  const UniqueFd epoll_;
  const UniqueFd wake_;
  // Wakes for the earliest timer. A time-out of epoll_wait() would set up and tear down a kernel
  // timer for every request; this one is set when the earliest timer changes.
  const UniqueFd timer_;
  int64_t armed_for_ = 0;  // 0 = not armed
  std::function<void()> after_batch_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::map<TimerId, std::function<void()>> timers_;
  uint64_t next_timer_ = 1;
  int64_t now_;
  std::atomic<int64_t> heartbeat_;
  std::atomic<bool> stop_{false};

  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
