// Starts a program that ends when this one ends, in any case.
//
//   auto server = ChildProcess::Start({"/usr/bin/entropyd", "--config", file}, "server.log");
//   ...
//   if (auto how = (*server)->Exited()) return Failed(*how);
//   if (auto how = (*server)->ExitedBy(absl::Now() + absl::Seconds(9))) return Failed(*how);
//   (*server)->Stop(absl::Seconds(5));   // SIGTERM, then SIGKILL; the destructor does it too
//
// The child has a process group of its own, so that Ctrl-C reaches only the parent. The kernel
// sends it SIGTERM when the thread that started it ends (PR_SET_PDEATHSIG).
//
// A program that replaces itself while it runs is started by StartFollowed(). Then "the child" is
// that program and, after it has ended with status 0, whatever process it has started and left
// running in its process group; and so on. A small process of ours, the keeper, stands between. The
// kernel gives it the processes whose parent has ended (PR_SET_CHILD_SUBREAPER). When this process
// ends, in whatever way, the keeper ends all of them.
//
// Thread safety: belongs to the thread that started it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"

namespace entropyd {

class ChildProcess {
 public:
  // argv[0] is a path or a name in PATH. Standard input is /dev/null. Both outputs are appended to
  // `log_path`; with `output_path`, standard output goes there instead.
  // Errors: NOT_FOUND or PERMISSION_DENIED when the program or a file cannot be opened;
  // RESOURCE_EXHAUSTED when the system allows no further process.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& argv,
                                                             const std::string& log_path,
                                                             const std::string& output_path = "");
  // The same for a program that replaces itself, as the host agent does in an upgrade: pid() is the
  // keeper's, and Exited() tells how the last of its processes ended. When one of them ends
  // otherwise than with status 0, the others are ended, too.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> StartFollowed(
      const std::vector<std::string>& argv, const std::string& log_path);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // How it ended: "exited with status 2", "killed by signal 9"; nullopt while it runs.
  absl::optional<std::string> Exited();
  // The same, but waits until it has ended or `deadline` has come.
  absl::optional<std::string> ExitedBy(absl::Time deadline);
  // True when it ended by itself with status 0.
  bool Succeeded();
  // Ends it and waits: sends SIGTERM, and SIGKILL after `grace`. Does nothing when it has ended.
  void Stop(absl::Duration grace);

 private:
  enum class Kind { kProgram, kKeeper };

  ChildProcess(pid_t pid, UniqueFd end, Kind kind) : pid_(pid), end_(std::move(end)), kind_(kind) {}
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Launch(const std::vector<std::string>& argv,
                                                              const std::string& log_path,
                                                              const std::string& output_path,
                                                              Kind kind);
  // REQUIRES: the process has ended and nobody has waited for it.
  void EndTheGroup() const;

  const pid_t pid_;
  // A pidfd: readable when the process has ended.
  const UniqueFd end_;
  const Kind kind_;
  absl::optional<int> wait_status_;
};

// The last `lines` lines of a file, for messages about a child that died. Empty when the file
// cannot be read.
std::string LastLines(const std::string& path, int lines);

// The directory of the running program, without a slash at the end.
std::string OwnDirectory();

}  // namespace entropyd
