#include "server/dispatch/dispatch_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/synchronization/notification.h"
#include "base/process/thread.h"

namespace entropyd {

absl::StatusOr<std::unique_ptr<DispatchLoop>> DispatchLoop::Start(Dispatcher* dispatcher,
                                                                  const Clock* clock) {
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return ErrnoStatus(errno, "create the dispatcher's eventfd");
  std::unique_ptr<DispatchLoop> loop(new DispatchLoop(dispatcher, clock, std::move(wake)));
  absl::StatusOr<std::thread> thread = StartThread([raw = loop.get()] { raw->ThreadMain(); });
  if (!thread.ok()) return thread.status();
  loop->thread_ = *std::move(thread);
  return loop;
}

DispatchLoop::DispatchLoop(Dispatcher* dispatcher, const Clock* clock, UniqueFd wake)
    : dispatcher_(dispatcher), clock_(clock), wake_(std::move(wake)) {}

DispatchLoop::~DispatchLoop() {
  stop_.store(true, std::memory_order_release);
  Signal();
  if (thread_.joinable()) thread_.join();
}

void DispatchLoop::Post(MailNode* node, uint32_t events) {
  if (dispatcher_->mailbox().Post(node, events)) TakeTurn(Overtime::kHandOver);
}

void DispatchLoop::Run(Command::Run run) { Post(new Command(std::move(run)), 1); }

void DispatchLoop::RunAndWait(Command::Run run) {
  absl::Notification done;
  Run([&](int64_t now_nanos) {
    run(now_nanos);
    done.Notify();
  });
  done.WaitForNotification();
}

void DispatchLoop::RunElsewhere(Command::Run run) {
  if (!dispatcher_->mailbox().Post(new Command(std::move(run)), 1)) return;
  passed_on_.store(true, std::memory_order_release);
  Signal();
}

void DispatchLoop::PoolsChanged() {
  dispatcher_->PoolsChanged();
  WakeAt(std::numeric_limits<int64_t>::min());
}

void DispatchLoop::TakeTurn(Overtime overtime) {
  const int64_t started = clock_->NowNanos();
  std::vector<Dispatcher::Outgoing> outgoing;
  const auto send = [&outgoing] {
    for (Dispatcher::Outgoing& one : outgoing) one.outlet->Send(std::move(one.message));
    outgoing.clear();
  };
  while (true) {
    const int64_t now = clock_->NowNanos();
    const Dispatcher::Progress progress = dispatcher_->Step(now);
    dispatcher_->TakeOutgoing(&outgoing);
    last_step_nanos_.store(now, std::memory_order_relaxed);
    WakeAt(progress.wake_nanos);
    if (!progress.more && dispatcher_->mailbox().TryRelease()) break;
    if (overtime == Overtime::kGoOn) {
      if (outgoing.size() >= kMaxGathered) send();
    } else if (outgoing.size() >= kMaxGathered || now - started >= kMaxTurnNanos) {
      passed_on_.store(true, std::memory_order_release);
      Signal();
      break;
    }
  }
  send();
}

// Moves the thread's next look to an earlier time, never to a later one: the thread computes it
// again each time.
void DispatchLoop::WakeAt(int64_t nanos) {
  int64_t current = wake_nanos_.load(std::memory_order_acquire);
  while (nanos < current) {
    if (wake_nanos_.compare_exchange_weak(current, nanos, std::memory_order_acq_rel)) {
      Signal();
      return;
    }
  }
}

void DispatchLoop::Signal() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread is awake already.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

void DispatchLoop::ThreadMain() {
  while (!stop_.load(std::memory_order_acquire)) {
    if (passed_on_.exchange(false, std::memory_order_acq_rel)) TakeTurn(Overtime::kGoOn);
    const int64_t wake = wake_nanos_.load(std::memory_order_acquire);
    if (clock_->NowNanos() < wake) {
      SleepUntil(wake);
      continue;
    }
    // From here on a WakeAt() counts for the time after the next step. That step itself sets its
    // next time.
    wake_nanos_.store(kNever, std::memory_order_release);
    if (dispatcher_->mailbox().Post(&tick_, 1)) TakeTurn(Overtime::kGoOn);
  }
  if (passed_on_.exchange(false, std::memory_order_acq_rel)) TakeTurn(Overtime::kGoOn);
}

void DispatchLoop::SleepUntil(int64_t nanos) {
  const int64_t left = std::max<int64_t>(0, nanos - clock_->NowNanos());
  timespec timeout;
  timeout.tv_sec = left / kSecondNanos;
  timeout.tv_nsec = left % kSecondNanos;
  pollfd fd = {.fd = wake_.get(), .events = POLLIN, .revents = 0};
  if (ppoll(&fd, 1, &timeout, nullptr) > 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof(count));
  }
}

}  // namespace entropyd
