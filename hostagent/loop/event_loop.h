// One thread that waits for everything: file descriptors by epoll, timers, and a queue through
// which other threads hand in work.
//
//   auto loop = EventLoop::Create(&clock).value();
//   loop->SetAfterTurn([&] { agent.AfterTurn(); });
//   FdWatch watch(loop.get(), &handler);
//   absl::Status watched = watch.Begin(fd, EPOLLIN);
//   loop->Run();  // until Stop()
//
// The loop reads the clock once per turn: now_nanos() is the time at which the turn began.
//
// Work that comes from outside has a budget for each turn: a number of events, timers, posts, new
// connections, and bytes that are read. The rest waits for the next turn, which begins at once,
// after the others' events. Code that has work left at the end of a turn calls TurnAgain(), which
// does the same.
//
// Errors: RESOURCE_EXHAUSTED (descriptors) of Create(); of epoll_ctl(2) of FdWatch::Begin().
//
// Thread safety: Post(), Stop() and heartbeat_nanos() are safe. Everything else belongs to the
// thread that calls Run() (or, before that, to the thread that sets things up).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
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
#include "base/process/nanos.h"
#include "hostagent/loop/loop_number.h"

namespace entropyd {

// How long the turns of a loop take.
struct TurnCounters {
  // Turns that took longer than EventLoop::kSlowTurnNanos.
  LoopNumber slow;
  LoopNumber longest_nanos;
};

class EventLoop {
 public:
  // Enough to make the pass over the class trees cheap per event. Few enough that the first guest
  // of a turn has its reply while the others' commands still arrive.
  static constexpr int kEventsPerTurn = 64;
  // A timer takes a few microseconds, and a guest's connection has several. All of a host's guests
  // may connect in the same moment.
  static constexpr int kTimersPerTurn = 256;
  // A post may be a question for all guests, which takes milliseconds where there are thousands.
  static constexpr int kPostsPerTurn = 4;
  // A new connection takes some 100 us, most of it to find out who is there; that of a process that
  // the kernel has told nothing of yet takes up to 400 us.
  static constexpr int kAcceptsPerTurn = 16;
  // Of commands, which take up to 200 ns a byte where each needs memory of its own.
  static constexpr size_t kInputPerTurn = 16 * 1024;
  // A guest that asks in a slow turn waits this long only because of others' work. A turn within
  // its budgets takes half of it at worst.
  static constexpr int64_t kSlowTurnNanos = 10 * kMillisecondNanos;

  class Handler {
   public:
    // `events` are EPOLL* bits. They are level-triggered, unless watched with EPOLLET; then
    // FdWatch::Modify() makes the loop report the present state again. A handler may end its own
    // watch and any other.
    virtual void OnEvents(uint32_t events) = 0;

   protected:
    ~Handler() = default;
  };

  // Errors: RESOURCE_EXHAUSTED (descriptors).
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(const Clock* clock);

  // `run` is called after the events, timers and posts of each turn.
  void SetAfterTurn(std::function<void()> run) { after_turn_ = std::move(run); }

  // Some work is left for the next turn, which does not wait for events then.
  void TurnAgain() { again_ = true; }
  // What all handlers together may still do in this turn. The kernel tells of the same descriptors
  // first, turn after turn, so the loop begins each turn with another one of them. A handler that
  // must not wait for its turn may do a little when nothing is left, too.
  struct Left {
    int accepts = kAcceptsPerTurn;
    size_t input = kInputPerTurn;
  };
  Left* left() { return &left_; }

  // Counts turns there from now on; nullptr = nowhere. It outlives the turns.
  void CountTurns(TurnCounters* counters) { counters_ = counters; }

  // Runs on the loop's thread, in the order of the calls. Any thread may call.
  void Post(std::function<void()> run);
  void Run();
  // Any thread may call. Run() returns after the turn.
  void Stop();

  // Runs one turn, and waits for it no longer than `max_wait_nanos`.
  void RunOnce(int64_t max_wait_nanos);

  int64_t now_nanos() const { return now_; }
  // Between turns: now_nanos() is the present time. What is done there, such as a handover, may
  // come long after the last turn.
  void ReadClock() { now_ = clock_->NowNanos(); }
  const Clock* clock() const { return clock_; }
  // When the last turn began. It stands still when the loop hangs.
  int64_t heartbeat_nanos() const { return heartbeat_.load(std::memory_order_relaxed); }

 private:
  // Nobody else keeps a timer or a watch, so that each one ends with its owner.
  friend class Timer;
  friend class FdWatch;

  // Never reused, never 0.
  using WatchId = uint64_t;
  // When it runs, and which one it is.
  using TimerId = std::pair<int64_t, uint64_t>;
  static constexpr TimerId kNoTimer = {0, 0};

  struct Slot {
    int fd = -1;
    Handler* handler = nullptr;
    uint32_t generation = 1;
  };

  EventLoop(const Clock* clock, UniqueFd epoll, UniqueFd wake, UniqueFd timer);
  // Runs once, not before `at_nanos`, and without delay while the loop is idle.
  TimerId AddTimer(int64_t at_nanos, std::function<void()> run);
  // Does nothing to a timer that has run.
  void CancelTimer(TimerId id);
  // As FdWatch has them. After Unwatch() no event is delivered that was already fetched, even when
  // the number of the descriptor is in use again.
  absl::StatusOr<WatchId> Watch(int fd, uint32_t events, Handler* handler);
  void Modify(WatchId id, uint32_t events);
  void Unwatch(WatchId id);
  // nullptr = the watch has ended.
  Slot* Find(WatchId id);
  void ArmTimer();
  void RunPosted() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunTimers();
  void CountTurn();

  const Clock* const clock_;
  const UniqueFd epoll_;
  const UniqueFd wake_;
  // Wakes the loop for the earliest timer. A time-out of epoll_wait() would set up and tear down a
  // kernel timer for every request. This one is set only when the earliest timer changes.
  const UniqueFd timer_;
  // 0 = not armed.
  int64_t armed_for_ = 0;
  std::function<void()> after_turn_;
  // The next turn does not wait.
  bool again_ = false;
  Left left_;
  // Counts turns: which of the events comes first.
  uint64_t turn_ = 0;
  TurnCounters* counters_ = nullptr;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::map<TimerId, std::function<void()>> timers_;
  uint64_t next_timer_ = 1;
  int64_t now_;
  std::atomic<int64_t> heartbeat_;
  std::atomic<bool> stop_{false};

  absl::Mutex mutex_;
  std::deque<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
