// Tells whether the configuration on disk can replace the one that an agent runs with, and whether
// the two differ.
//
//   if (auto config = CheckReload(path, control, clock); !config.ok()) Tell(config.status());
//
//   ConfigOnDisk on_disk(config);
//   on_disk.ReloadFailed(path, why);
//   Show(on_disk.problem());            // OK when the file holds what is in use
//
// Thread safety: CheckReload() has no state; a ConfigOnDisk belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Reads and checks the file as --check-config does. `control` is the path of the running agent's
// control socket, which no reload can change. Returns what the file says.
//
// Errors: FAILED_PRECONDITION (no file, or another control socket); of config::Load and
// CheckAgentConfig, whose messages end with the version that checked the file.
absl::StatusOr<config::v1::HostAgent> CheckReload(const std::string& config_path,
                                                  const std::string& control, const Clock* clock);

// Why the configuration on disk is not in use. A file that holds what is in use is in use, even if
// the reload of it failed for another reason.
class ConfigOnDisk {
 public:
  explicit ConfigOnDisk(config::v1::HostAgent in_use) : in_use_(std::move(in_use)) {}

  // The reload of the file at `path` has failed.
  void ReloadFailed(const std::string& path, const absl::Status& why);
  // Forgets the problem when the file holds what is in use. Reads the file after each change, and
  // only while there is a problem.
  void Look();
  // OK: no problem known.
  const absl::Status& problem() const { return problem_; }
  const config::v1::HostAgent& in_use() const { return in_use_; }

 private:
  // Which state of the file it is: whoever writes the file changes one of them.
  struct Version {
    uint64_t inode = 0;
    int64_t size = 0;
    int64_t changed_nanos = 0;
    bool operator==(const Version&) const = default;
  };
  Version Now() const;

  const config::v1::HostAgent in_use_;
  std::string path_;
  absl::Status problem_;
  Version looked_at_;
};

}  // namespace entropyd
