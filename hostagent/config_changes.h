// What differs between two configurations of an agent, a key or an element a line, for people.
//
//   ConfigChanges(before, after);
//   -> {"listeners[/run/entropyd/egd.sock].group changed", "classes[default/gold] added"}
//
// It names no values: they may be long, and some name secrets' places.
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include <string>
#include <vector>

#include "proto/agent_config.pb.h"

namespace entropyd {

// In the order of the keys in the proto file. Listeners have the name of their path or address,
// wherever they stand in the list. Empty: both say the same.
std::vector<std::string> ConfigChanges(const config::v1::HostAgent& before,
                                       const config::v1::HostAgent& after);

}  // namespace entropyd
