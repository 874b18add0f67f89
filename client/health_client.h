// Asks a server by grpc.health.v1, as every tool of gRPC can, whether it serves.
//
//   absl::StatusOr<bool> serves = ServerHealth(config.server(), config.tls(), absl::Now());
//
// Thread safety: safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/server_config.pb.h"

namespace entropyd {

// True when it serves; false when it drains, or a pool is not ready. Needs a certificate with any
// role. Errors: those of MakeChannel; PERMISSION_DENIED (no role), UNAVAILABLE and
// DEADLINE_EXCEEDED, with the step that failed (client/failed_step.h).
absl::StatusOr<bool> ServerHealth(const std::string& server, const config::v1::ClientTls& tls,
                                  absl::Time now, absl::Duration timeout = absl::Seconds(5));

}  // namespace entropyd
