// Why the configuration on disk is not in use. A file with the same content as the configuration in
// use counts as in use, even if its reload failed for another reason.
//
//   ConfigOnDisk on_disk(config);
//   on_disk.ReloadFailed(path, why);
//   Show(on_disk.problem());            // OK when the file holds what is in use
//
// Errors: none; a file that cannot be read is not in use.
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

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
  // Which state of the file it is: each write changes one of these.
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
