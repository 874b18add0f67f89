#include "hostagent/reload/config_on_disk.h"

#include <sys/stat.h>

#include "base/config/config.h"
#include "base/process/nanos.h"
#include "google/protobuf/util/message_differencer.h"

namespace entropyd {

void ConfigOnDisk::ReloadFailed(const std::string& path, const absl::Status& why) {
  path_ = path;
  problem_ = why;
  looked_at_ = Version();
  Look();
}

void ConfigOnDisk::Look() {
  if (problem_.ok()) return;
  const Version now = Now();
  if (now == looked_at_) return;
  looked_at_ = now;
  config::v1::HostAgent config;
  config::Locations locations;
  if (!config::Load(path_, &config, &locations).ok()) return;
  if (google::protobuf::util::MessageDifferencer::Equals(config, in_use_)) {
    problem_ = absl::OkStatus();
  }
}

ConfigOnDisk::Version ConfigOnDisk::Now() const {
  struct stat file;
  if (stat(path_.c_str(), &file) != 0) return {};
  return {.inode = file.st_ino,
          .size = file.st_size,
          .changed_nanos = file.st_ctim.tv_sec * kSecondNanos + file.st_ctim.tv_nsec};
}

}  // namespace entropyd
