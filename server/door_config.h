// From the configuration of the server to the limits of its door.
//
//   absl::Status fault = CheckDoor(config, locations);                     // --check-config
//   absl::StatusOr<Door::Options> options = PlanDoor(config, descriptors, log);
//
// Errors: CheckDoor INVALID_ARGUMENT with file:line:column; PlanDoor RESOURCE_EXHAUSTED when the
// process may not open enough files for any peer.
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/crypto/openssl_memory.h"
#include "base/telemetry/log.h"
#include "proto/server_config.pb.h"
#include "server/door/door.h"

namespace entropyd {

// OpenSSL's secure heap in the server (base/crypto/openssl_memory.h): enough for all agents that
// may be configured.
inline constexpr size_t kServerSecureHeapBytes = 8 << 20;
inline constexpr uint64_t kMaxConnections =
    (kServerSecureHeapBytes - kSecureHeapBytes) / kSecureBytesOfAConnection;

absl::Status CheckDoor(const config::v1::Server& config, const config::Locations& locations);

// `descriptors` is how many files the process may have open (RLIMIT_NOFILE). When they do not
// suffice for `max_connections`, there are fewer connections, and the log says so; an identity gets
// half of them at most.
absl::StatusOr<Door::Options> PlanDoor(const config::v1::Server& config, uint64_t descriptors,
                                       Log* log);

}  // namespace entropyd
