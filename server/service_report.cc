#include "server/service_report.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace entropyd {

ServiceReport::ServiceReport(const Clock* clock) : clock_(clock) {
  uint64_t micros = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &micros) <= 0) return;
  // An hour and more means the same, and does not overflow.
  constexpr uint64_t kLongestMicros = 3'600'000'000;
  // Half of it, as sd_watchdog_enabled(3) advises.
  feed_interval_nanos_ =
      static_cast<int64_t>(std::min(micros, kLongestMicros)) * kMicrosecondNanos / 2;
}

void ServiceReport::Waiting(const std::string& why) {
  const std::string text = absl::StrReplaceAll(why, {{"\n", " "}});
  sd_notifyf(0, "STATUS=waits: %s", text.c_str());
}

void ServiceReport::Serving() { sd_notify(0, "READY=1\nWATCHDOG=1"); }

void ServiceReport::Reloading() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
             static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
}

void ServiceReport::Reloaded() { sd_notify(0, "READY=1"); }

void ServiceReport::Tick(bool alive, const std::function<std::string()>& summary) {
  const int64_t now = clock_->NowNanos();
  if (alive && feed_interval_nanos_ > 0 && now >= next_feed_nanos_) {
    sd_notify(0, "WATCHDOG=1");
    next_feed_nanos_ = now + feed_interval_nanos_;
  }
  if (now < next_status_nanos_) return;
  next_status_nanos_ = now + kStatusNanos;
  // A line end would begin another message to the manager.
  std::string status = absl::StrReplaceAll(summary(), {{"\n", " "}});
  if (status == told_) return;
  told_ = std::move(status);
  sd_notify(0, absl::StrCat("STATUS=", told_).c_str());
}

void ServiceReport::Stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stops"); }

}  // namespace entropyd
