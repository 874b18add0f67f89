// What the server tells systemd (sd_notify(3)). Without a manager all of it does nothing.
//
//   ServiceReport report(&clock);
//   report.Serving();
//   while (...) report.Tick(server->Alive(), [&] { return server->Summary(); });
//   report.Stopping();
//
//   READY             the server serves, or a reload has ended
//   RELOADING, READY  a reload has begun; `systemctl reload` waits until it has ended
//   STATUS            one line that `systemctl status` shows
//   WATCHDOG          the server is alive. When it says so no longer, the manager ends it and
//                     starts it again (WatchdogSec=)
//
// Errors: none. A manager that does not listen loses the messages.
//
// Thread safety: none; belongs to main().
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/process/clock.h"
#include "base/process/nanos.h"

namespace entropyd {

class ServiceReport {
 public:
  // STATUS is at most this old.
  static constexpr int64_t kStatusNanos = kSecondNanos;

  // The clock outlives it.
  explicit ServiceReport(const Clock* clock);

  // The start waits for something. When the manager's patience ends (TimeoutStartSec=), it starts
  // the server again, and reports that to the caller of the start.
  void Waiting(const std::string& why);
  void Serving();
  void Reloading();
  void Reloaded();
  // Call it about twice a second. Feeds the watchdog while the server is alive, and tells
  // `summary` when it has changed.
  void Tick(bool alive, const std::function<std::string()>& summary);
  void Stopping();

 private:
  const Clock* const clock_;
  // Half of the manager's patience; 0 = it watches nobody.
  int64_t feed_interval_nanos_ = 0;
  int64_t next_feed_nanos_ = 0;
  int64_t next_status_nanos_ = 0;
  // The last STATUS that was told.
  std::string told_;
};

}  // namespace entropyd
