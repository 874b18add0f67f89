#include "hostagent/service_manager.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// systemd answers in milliseconds.
constexpr uint64_t kBarrierMicros = 1'000'000;
// STATUS is at most this old. Nobody looks at it more often.
constexpr int64_t kStatusNanos = 5 * kSecondNanos;
// By then the agent is attached, and the operator who started it asks how it is.
constexpr int64_t kFirstStatusNanos = kSecondNanos;

// sd_watchdog_enabled(3) says no in a successor, because WATCHDOG_PID is the first process's. But
// the manager listens to every process of the service (NotifyAccess=all).
int64_t WatchdogNanos() {
  const char* text = getenv("WATCHDOG_USEC");
  uint64_t micros = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &micros)) return 0;
  return static_cast<int64_t>(std::min<uint64_t>(micros, uint64_t{3600} * 1'000'000)) *
         kMicrosecondNanos;
}

}  // namespace

std::vector<UniqueFd> ServiceManager::TakeSockets() {
  std::vector<UniqueFd> sockets;
  const int count = sd_listen_fds(/*unset_environment=*/1);  // sets close-on-exec
  if (count > 0) sockets.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) sockets.emplace_back(SD_LISTEN_FDS_START + i);
  return sockets;
}

void ServiceManager::Watch(EventLoop* loop, std::function<std::string()> summary) {
  if (getenv("NOTIFY_SOCKET") == nullptr) return;
  loop_ = loop;
  summary_ = std::move(summary);
  const int64_t watchdog = WatchdogNanos();
  fed_ = watchdog > 0;
  // Half of the manager's patience, as sd_watchdog_enabled(3) advises.
  interval_nanos_ = fed_ ? std::min(kStatusNanos, watchdog / 2) : kStatusNanos;
  next_ = std::make_unique<Timer>(loop, [this] { Feed(); });
  next_->Set(loop->clock()->NowNanos() + std::min(interval_nanos_, kFirstStatusNanos));
}

void ServiceManager::Feed() {
  if (serving_) {
    if (fed_) sd_notify(0, "WATCHDOG=1");
    std::string status = summary_();
    if (status != told_) {
      told_ = std::move(status);
      sd_notify(0, absl::StrCat("STATUS=", told_).c_str());
    }
  }
  next_->Set(loop_->clock()->NowNanos() + interval_nanos_);
}

void ServiceManager::Serving() {
  serving_ = true;
  sd_notifyf(0, "MAINPID=%d\nREADY=1\nWATCHDOG=1", static_cast<int>(getpid()));
}

void ServiceManager::Reloading() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t micros = int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000;
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(micros));
}

void ServiceManager::Ready() { sd_notify(0, "READY=1"); }

void ServiceManager::Stopping() {
  serving_ = false;
  sd_notify(0, "STOPPING=1");
}

void ServiceManager::Succeeded() { serving_ = false; }

void ServiceManager::AwaitHeard() { sd_notify_barrier(0, kBarrierMicros); }

}  // namespace entropyd
