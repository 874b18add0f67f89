// What the agent and systemd tell each other (sd_notify(3), sd_listen_fds(3)). Without a manager
// all of it does nothing.
//
//   ServiceManager manager;
//   manager.Watch(&loop, [&agent] { return agent->Summary(); });
//   manager.Serving();
//
//   MAINPID, READY    this process serves; a successor says so before its predecessor exits
//   RELOADING, READY  a reload has begun; it has failed, or the successor says READY
//   STATUS            one line that `systemctl status` shows
//   WATCHDOG          the event loop turns. A timer of the loop says so. When the loop is
//                     stuck, the manager notices and restarts the agent (WatchdogSec=)
//
// Errors: none; what the manager does not hear changes nothing here.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/process/fd.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

class ServiceManager {
 public:
  // The sockets that a socket unit passed to this process. Processes that this one starts do not
  // get them.
  static std::vector<UniqueFd> TakeSockets();

  // From Serving() on, and as long as the loop turns, feeds the watchdog and keeps STATUS as
  // `summary` says. Both outlive the loop's last turn.
  void Watch(EventLoop* loop, std::function<std::string()> summary);

  void Serving();
  void Reloading();
  void Ready();
  void Stopping();
  // Another process is the service now. This one tells the manager nothing more about it.
  void Succeeded();
  // Returns when the manager has heard what this process and its children told it before, or after
  // a second.
  void AwaitHeard();

 private:
  void Feed();

  EventLoop* loop_ = nullptr;
  // nullptr without a manager.
  std::unique_ptr<Timer> next_;
  std::function<std::string()> summary_;
  int64_t interval_nanos_ = 0;
  // This process has fed the watchdog.
  bool fed_ = false;
  bool serving_ = false;
  // The last STATUS that was told.
  std::string told_;
};

}  // namespace entropyd
