// Tells whether the configuration on disk can replace the one that an agent runs with.
//
//   if (absl::Status status = CheckReload(path, control, clock); !status.ok()) Tell(status);
//
// Thread safety: a function without state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/process/clock.h"

namespace entropyd {

// Reads and checks the file as --check-config does. `control` is the path of the running agent's
// control socket, which no reload can change.
//
// Errors: FAILED_PRECONDITION (no file, or another control socket); of config::Load and
// CheckAgentConfig, whose messages end with the version that checked the file.
absl::Status CheckReload(const std::string& config_path, const std::string& control,
                         const Clock* clock);

}  // namespace entropyd
