// What works in agent.yaml, and surely not as its writer thinks: keys that do nothing beside the
// other ones, a private key that everybody may read, and what this machine lacks. `--check-config`
// and the start tell it.
//
//   for (const std::string& line : AgentConfigWarnings(config, locations)) …
//
// Errors: none; a configuration that is refused may get any warnings.
//
// Thread safety: a function of its arguments; it looks at tls.key and libvirt_dir.
#pragma once

#include <string>
#include <vector>

#include "base/config/config.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

// Each with file:line:column, the key, why it is there for nothing, and what to do.
std::vector<std::string> AgentConfigWarnings(const config::v1::HostAgent& config,
                                             const config::Locations& locations);

}  // namespace entropyd
