// What the agent and systemd tell each other (sd_notify(3), sd_listen_fds(3)). Without a manager
// all of it does nothing.
//
//   MAINPID, READY    this process serves; a successor says so before its predecessor exits
//   RELOADING, READY  a reload has begun; it has failed, or the successor says READY
//   STATUS            one line that `systemctl status` shows
//   WATCHDOG          the event loop turns; said by a timer of the loop, so one that is stuck is
//                     found and restarted (WatchdogSec=)
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
  // The sockets that a socket unit passed to this process, and to nobody it starts.
  static std::vector<UniqueFd> TakeSockets();

  // Feeds the watchdog, and keeps STATUS as `summary` says, as long as the loop turns and from the
  // time of Serving(). The loop outlives this object.
  void Watch(EventLoop* loop, std::function<std::string()> summary);

  void Serving();
  void Reloading();
  void Ready();
  void Stopping();
  void Succeeded();  // another process is the service now: this one says no more of it
  // Returns when the manager has heard what this process and its children told it before, or after
  // a second.
  void AwaitHeard();

 private:
  void Feed();

  EventLoop* loop_ = nullptr;
  std::unique_ptr<Timer> feed_;  // from Watch()
  std::function<std::string()> summary_;
  int64_t interval_nanos_ = 0;
  bool fed_ = false;  // by this process
  bool serving_ = false;
  std::string told_;  // as STATUS
};

}  // namespace entropyd
