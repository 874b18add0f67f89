// The next agent process, when it is this one that starts it.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/fd.h"
#include "hostagent/loop/event_loop.h"

namespace entropyd {

class Successor final : public EventLoop::Handler {
 public:
  // Runs `command`; the file is `program`, or its first word when that is empty. `ended(why)` is
  // called once, when it ends while this object lives; destroying it from there is allowed. Errors:
  // of posix_spawn, naming the file.
  static absl::StatusOr<std::unique_ptr<Successor>> Spawn(
      const std::vector<std::string>& command, EventLoop* loop,
      std::function<void(const absl::Status& why)> ended, const std::string& program = "");
  ~Successor();  // the process lives on

  void Kill();       // for one that does not get anywhere
  void Terminate();  // SIGTERM
  pid_t pid() const { return pid_; }

  void OnEvents(uint32_t events) override;

 private:
  Successor(pid_t pid, UniqueFd process, EventLoop* loop,
            std::function<void(const absl::Status&)> ended);

  const pid_t pid_;
  const UniqueFd process_;  // a pidfd
  EventLoop* const loop_;
  const std::function<void(const absl::Status&)> ended_;
  EventLoop::WatchId watch_ = 0;
};

}  // namespace entropyd
