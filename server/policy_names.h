// Whether a rule's identity can match anybody: no certificate that is let in has a name of other
// characters (base/crypto/peer_identity.h).
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
