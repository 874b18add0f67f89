#include "hostagent/reload.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "hostagent/agent_config.h"

namespace entropyd {

absl::StatusOr<config::v1::HostAgent> CheckReload(const std::string& config_path,
                                                  const std::string& control, const Clock* clock) {
  if (config_path.empty()) {
    return absl::FailedPreconditionError("reload: this agent was not started from a file");
  }
  config::v1::HostAgent config;
  config::Locations locations;
  absl::Status status = config::Load(config_path, &config, &locations);
  if (status.ok()) status = CheckAgentConfig(config, locations, clock).status();
  if (absl::StrContains(status.message(), "unknown key")) {
    return absl::Status(
        status.code(),
        absl::StrCat(status.message(), "\nIf the file is meant for a newer version than ",
                     ENTROPYD_VERSION, ", run `entropyctl agent upgrade`."));
  }
  if (!status.ok()) return status;
  if (config.control() == control) return config;
  return absl::FailedPreconditionError(
      locations
          .Error("control", absl::StrCat("the running agent has ", control,
                                         ", and its successors find it there: neither a reload nor "
                                         "`entropyctl agent upgrade` can change it; stop the agent "
                                         "and start it"))
          .message());
}

}  // namespace entropyd
