// What one identity may hold, out of the configuration (server/attach/identity_shares.h).
//
//   if (absl::Status shares = CheckShares(config, locations); !shares.ok()) return shares;
//   options.shares = PlanShares(config);
//
// Errors: INVALID_ARGUMENT with file:line:column.
//
// Thread safety: functions of their arguments.
#pragma once

#include "absl/status/status.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"
#include "server/attach/identity_shares.h"

namespace entropyd {

// Refuses a share that is larger than the whole.
absl::Status CheckShares(const config::v1::Server& config, const config::Locations& locations);

// REQUIRES: the configuration was loaded with its defaults, and checked.
IdentityShares::Limits PlanShares(const config::v1::Server& config);

}  // namespace entropyd
