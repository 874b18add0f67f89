// Starts a program that surely ends with this one.
//
//   auto server = ChildProcess::Start({"/usr/bin/entropyd", "--config", file}, "server.log");
//   ...
//   if (auto how = (*server)->Exited()) return Failed(*how);
//   (*server)->Stop(absl::Seconds(5));   // SIGTERM, then SIGKILL; the destructor does it too
//
// The child has a process group of its own, so that Ctrl-C reaches only the parent. The kernel
// sends it SIGTERM when the thread that started it ends (PR_SET_PDEATHSIG).
//
// Thread safety: belongs to the thread that started it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

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
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // How it ended: "exited with status 2", "killed by signal 9"; nullopt while it runs.
  absl::optional<std::string> Exited();
  // True when it ended by itself with status 0.
  bool Succeeded();
  // Ends it and waits: sends SIGTERM, and SIGKILL after `grace`. Does nothing when it has ended.
  void Stop(absl::Duration grace);

 private:
  ChildProcess(pid_t pid, std::string program) : pid_(pid), program_(std::move(program)) {}

  const pid_t pid_;
  const std::string program_;
  absl::optional<int> wait_status_;
};

// The last `lines` lines of a file, for messages about a child that died. Empty when the file
// cannot be read.
std::string LastLines(const std::string& path, int lines);

// The directory of the running program, without a slash at the end.
std::string OwnDirectory();

}  // namespace entropyd
