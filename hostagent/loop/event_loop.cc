#include "hostagent/loop/event_loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/process/nanos.h"
#include "hostagent/loop/quick_call.h"

namespace entropyd {
namespace {

// The loop's own descriptors: no watch has these ids, because generations start at 1.
constexpr uint64_t kWakeEvent = 0;
constexpr uint64_t kTimerEvent = 1;

absl::Status Add(int epoll, int fd, uint64_t event_id) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = event_id;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "watch descriptor of the event loop");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(const Clock* clock) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return ErrnoStatus(errno, "create epoll instance");
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return ErrnoStatus(errno, "create eventfd");
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return ErrnoStatus(errno, "create timerfd");
  if (auto status = Add(epoll.get(), wake.get(), kWakeEvent); !status.ok()) return status;
  if (auto status = Add(epoll.get(), timer.get(), kTimerEvent); !status.ok()) return status;
  return std::unique_ptr<EventLoop>(
      new EventLoop(clock, std::move(epoll), std::move(wake), std::move(timer)));
}

EventLoop::EventLoop(const Clock* clock, UniqueFd epoll, UniqueFd wake, UniqueFd timer)
    : clock_(clock),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      timer_(std::move(timer)),
      now_(clock->NowNanos()),
      heartbeat_(now_) {}

absl::StatusOr<EventLoop::WatchId> EventLoop::Watch(int fd, uint32_t events, Handler* handler) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_slots_.back();
  Slot& slot = slots_[index];
  const WatchId id = uint64_t{slot.generation} << 32 | index;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "watch descriptor");
  }
  free_slots_.pop_back();
  slot.fd = fd;
  slot.handler = handler;
  return id;
}

EventLoop::Slot* EventLoop::Find(WatchId id) {
  const uint32_t index = static_cast<uint32_t>(id);
  if (index >= slots_.size()) return nullptr;
  Slot& slot = slots_[index];
  return slot.handler != nullptr && slot.generation == id >> 32 ? &slot : nullptr;
}

void EventLoop::Modify(WatchId id, uint32_t events) {
  Slot* slot = Find(id);
  if (slot == nullptr) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, slot->fd, &event);
}

void EventLoop::Unwatch(WatchId id) {
  Slot* slot = Find(id);
  if (slot == nullptr) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot->fd, nullptr);
  slot->handler = nullptr;
  slot->fd = -1;
  ++slot->generation;
  free_slots_.push_back(static_cast<uint32_t>(id));
}

EventLoop::TimerId EventLoop::AddTimer(int64_t at_nanos, std::function<void()> run) {
  const TimerId id = {at_nanos, next_timer_++};
  timers_.emplace(id, std::move(run));
  return id;
}

void EventLoop::CancelTimer(TimerId id) { timers_.erase(id); }

void EventLoop::Post(std::function<void()> run) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(run));
  }
  eventfd_write(wake_.get(), 1);
}

void EventLoop::Stop() {
  stop_.store(true, std::memory_order_relaxed);
  eventfd_write(wake_.get(), 1);
}

void EventLoop::Run() {
  while (!stop_.load(std::memory_order_relaxed)) RunOnce(std::numeric_limits<int64_t>::max());
}

void EventLoop::ArmTimer() {
  const int64_t at = timers_.empty() ? 0 : std::max<int64_t>(timers_.begin()->first.first, 1);
  if (at == armed_for_) return;
  armed_for_ = at;
  itimerspec in{};  // zero disarms
  if (at != 0) {
    const int64_t nanos = std::max<int64_t>(at - clock_->NowNanos(), 1);
    in.it_value.tv_sec = nanos / kSecondNanos;
    in.it_value.tv_nsec = nanos % kSecondNanos;
  }
  timerfd_settime(timer_.get(), 0, &in, nullptr);
}

void EventLoop::RunOnce(int64_t max_wait_nanos) {
  ArmTimer();
  if (std::exchange(again_, false)) max_wait_nanos = 0;
  const int millis =
      max_wait_nanos == std::numeric_limits<int64_t>::max()
          ? -1
          : static_cast<int>((max_wait_nanos + kMillisecondNanos - 1) / kMillisecondNanos);
  epoll_event events[kEventsPerTurn];
  const int n = QuickEpollWait(epoll_.get(), absl::MakeSpan(events), millis);
  now_ = clock_->NowNanos();
  left_ = Left();
  heartbeat_.store(now_, std::memory_order_relaxed);
  bool woken = false;
  const uint64_t first = turn_++;
  for (int i = 0; i < n; ++i) {
    const epoll_event& event =
        events[(first + static_cast<uint64_t>(i)) % static_cast<uint64_t>(n)];
    if (event.data.u64 == kWakeEvent) {
      woken = true;
    } else if (event.data.u64 == kTimerEvent) {
      uint64_t expirations;
      if (read(timer_.get(), &expirations, sizeof expirations) > 0) armed_for_ = 0;
    } else if (Slot* slot = Find(event.data.u64)) {
      slot->handler->OnEvents(event.events);
    }
  }
  RunTimers();
  if (woken) RunPosted();
  if (after_turn_) after_turn_();
  if (counters_ != nullptr) CountTurn();
}

void EventLoop::CountTurn() {
  const int64_t nanos = clock_->NowNanos() - now_;
  if (nanos > kSlowTurnNanos) counters_->slow.Add(1);
  if (static_cast<uint64_t>(nanos) > counters_->longest_nanos.Get()) {
    counters_->longest_nanos.Set(static_cast<uint64_t>(nanos));
  }
}

void EventLoop::RunTimers() {
  for (int left = kTimersPerTurn; !timers_.empty() && timers_.begin()->first.first <= now_;) {
    if (left-- == 0) return TurnAgain();
    std::function<void()> run = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    run();
  }
}

void EventLoop::RunPosted() {
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
  std::vector<std::function<void()>> posted;
  {
    absl::MutexLock lock(&mutex_);
    const size_t n = std::min<size_t>(posted_.size(), kPostsPerTurn);
    std::move(posted_.begin(), posted_.begin() + static_cast<ptrdiff_t>(n),
              std::back_inserter(posted));
    posted_.erase(posted_.begin(), posted_.begin() + static_cast<ptrdiff_t>(n));
    // The others' turn wakes the loop as they did.
    if (!posted_.empty()) eventfd_write(wake_.get(), 1);
  }
  for (std::function<void()>& run : posted) run();
}

}  // namespace entropyd
