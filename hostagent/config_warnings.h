// Finds settings of agent.yaml that are valid but surely not what their writer wanted: keys that
// have no effect beside the other keys, a private key that everybody may read, and things that this
// machine lacks. `--check-config` and the start report them.
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

// Each with file:line:column, the key, why it has no effect, and what to do.
std::vector<std::string> AgentConfigWarnings(const config::v1::HostAgent& config,
                                             const config::Locations& locations);

}  // namespace entropyd
