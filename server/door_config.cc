#include "server/door_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"

namespace entropyd {
namespace {

// Files that are always there: the log, the dispatcher's and gRPC's event descriptors, the HTTP
// port and its connections, the state file, and the connections that are being closed.
constexpr uint64_t kOtherDescriptors = 96;
// A device, and what a driver needs to open it again.
constexpr uint64_t kSourceDescriptors = 4;
// With fewer, an operator could not get in beside a few agents.
constexpr uint64_t kFewestConnections = 16;
// Readers and operators.
constexpr uint64_t kOtherConnections = 1024;

uint64_t MaxConnections(const config::v1::Server& config) {
  if (config.max_connections() != 0) return config.max_connections();
  // An agent that is upgraded has two for a moment.
  const uint64_t agents = config.max_agents();
  return agents + agents / 10 + kOtherConnections;
}

// Of the streams, because each has a connection, and an agent has two for a moment. Of the Gets,
// because a script may make each by an entropyctl of its own.
uint64_t MaxConnectionsPerIdentity(const config::v1::Server& config) {
  if (config.max_connections_per_identity() != 0) return config.max_connections_per_identity();
  return std::max<uint64_t>(2 * uint64_t{config.max_streams_per_identity()},
                            config.max_gets_per_identity());
}

}  // namespace

absl::Status CheckDoor(const config::v1::Server& config, const config::Locations& locations) {
  if (const absl::Status address = ParseHostPort(config.listen()).status(); !address.ok()) {
    return locations.Error("listen", address.message());
  }
  if (MaxConnections(config) > kMostConnections) {
    return locations.Error("max_connections",
                           absl::StrCat("above ", kMostConnections,
                                        ", for which there is locked memory; lower it, and run "
                                        "more servers"));
  }
  if (MaxConnections(config) < config.max_agents()) {
    return locations.Error("max_connections",
                           absl::StrCat("below max_agents (", config.max_agents(),
                                        "): each agent has a connection; raise it, or lower "
                                        "max_agents"));
  }
  if (config.max_connections_per_identity() > MaxConnections(config)) {
    return locations.Error(
        "max_connections_per_identity",
        absl::StrCat(config.max_connections_per_identity(), " are more than max_connections (",
                     MaxConnections(config), "); lower it, or leave it out"));
  }
  if (config.max_connections_per_identity() != 0 &&
      config.max_connections_per_identity() < config.max_streams_per_identity()) {
    return locations.Error(
        "max_connections_per_identity",
        absl::StrCat("below max_streams_per_identity (", config.max_streams_per_identity(),
                     "): each stream has a connection; raise it, or lower that"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Door::Options> PlanDoor(const config::v1::Server& config, uint64_t descriptors,
                                       Log* log) {
  const uint64_t other =
      kOtherDescriptors + kSourceDescriptors * static_cast<uint64_t>(config.sources_size());
  uint64_t connections = MaxConnections(config);
  const uint64_t needed = connections + other;
  if (descriptors < other + kFewestConnections) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process may open ", descriptors, " files, which leaves no room for ",
                     "agents; allow it ", needed, " (LimitNOFILE= of the unit, ulimit -n)"));
  }
  if (descriptors < needed) {
    connections = descriptors - other;
    log->Warning("server.few_descriptors",
                 {{"limit", descriptors},
                  {"needed", needed},
                  {"connections", connections},
                  {"remedy", "LimitNOFILE= of the unit, ulimit -n, or a lower max_connections"}});
  }
  // Strangers never fill what those who are known need.
  const uint64_t strangers = std::min<uint64_t>(config.max_handshakes(), connections / 2);
  return Door::Options{
      .address = config.listen(),
      .limits = {.connections = connections,
                 .strangers = strangers,
                 .per_address = std::min<uint64_t>(config.max_handshakes_per_address(), strangers),
                 .per_identity = MaxConnectionsPerIdentity(config)}};
}

}  // namespace entropyd
