// Finds rules that can never match: identities with characters that no accepted certificate can
// have in its name (base/crypto/peer_identity.h).
//
//   if (absl::Status bad = CheckPolicyNames(config, locations); !bad.ok()) return bad;
//
// Errors: INVALID_ARGUMENT with file:line:column, the first character that does not fit, and what
// does.
//
// Thread safety: a function of its arguments.
#pragma once

#include "absl/status/status.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"

namespace entropyd {

absl::Status CheckPolicyNames(const config::v1::Server& config, const config::Locations& locations);

}  // namespace entropyd
