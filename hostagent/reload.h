// Tells whether the configuration on disk can replace the one that an agent runs with.
//
//   if (auto config = CheckReload(path, control, clock); !config.ok()) Tell(config.status());
//
// Errors: FAILED_PRECONDITION (no file, or another control socket); of config::Load and
// CheckAgentConfig, whose messages end with the version that checked the file.
//
// Thread safety: a function without state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/process/clock.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Reads and checks the file as --check-config does. `control` is the path of the running agent's
// control socket, which no reload can change. Returns what the file says.
absl::StatusOr<config::v1::HostAgent> CheckReload(const std::string& config_path,
                                                  const std::string& control, const Clock* clock);

}  // namespace entropyd
