// A successor that this process starts: the next agent process.
//
//   auto successor = Successor::Spawn({"entropyd-hostagent", "--take-over"}, &loop, ended).value();
//   successor->Terminate();   // `ended` is called when the process ends
//
// Errors: of posix_spawn, naming the file.
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
#include "hostagent/handover/last_words.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"

namespace entropyd {

class Successor final : public EventLoop::Handler {
 public:
  // Runs `command`. The file is `program`, or the command's first word when `program` is empty.
  // `ended(why)` is called once, when the process ends while this object lives. `why` holds the
  // reason that the process has left (LastWords), if it has. `ended` may destroy this object.
  // Errors: of posix_spawn, naming the file; of LastWords::Create().
  static absl::StatusOr<std::unique_ptr<Successor>> Spawn(
      const std::vector<std::string>& command, EventLoop* loop,
      std::function<void(const absl::Status& why)> ended, const std::string& program = "");
  // The process lives on.
  ~Successor() = default;

  // For a process that hangs.
  void Kill();
  // Sends SIGTERM.
  void Terminate();
  pid_t pid() const { return pid_; }

  void OnEvents(uint32_t events) override;

 private:
  Successor(pid_t pid, UniqueFd process, LastWords last_words, EventLoop* loop,
            std::function<void(const absl::Status&)> ended);

  const pid_t pid_;
  // A pidfd.
  const UniqueFd process_;
  const LastWords last_words_;
  const std::function<void(const absl::Status&)> ended_;
  FdWatch watch_;
};

}  // namespace entropyd
