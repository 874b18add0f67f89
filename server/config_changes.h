// How two configurations of the server differ: sources, pools, classes and limits, one by one.
//
//   for (const ConfigChange& change : ChangesBetween(before, after)) Print(change.Text());
//
// Policy, certificates and the log are not looked at, and neither are the keys that need a restart.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "proto/server_config.pb.h"
#include "server/reload/config_change.h"

namespace entropyd {

// Sources and pools come first, then classes, then limits. Things are matched by name.
std::vector<ConfigChange> ChangesBetween(const config::v1::Server& before,
                                         const config::v1::Server& after);

// The keys that differ and that only a start reads: addresses, the way memory is locked, and the
// directory that holds the server's state.
std::vector<std::string> RestartKeys(const config::v1::Server& started,
                                     const config::v1::Server& now);

}  // namespace entropyd
