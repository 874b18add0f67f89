#include "server/door_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/config/needed_descriptors.h"
#include "base/process/host_port.h"

namespace entropyd {
namespace {

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
  if (MostConnections(config) > kMaxConnections) {
    return locations.Error("max_connections",
                           absl::StrCat("above ", kMaxConnections,
                                        ", for which there is locked memory; lower it, and run "
                                        "more servers"));
  }
  if (MostConnections(config) < config.max_agents()) {
    return locations.Error("max_connections",
                           absl::StrCat("below max_agents (", config.max_agents(),
                                        "): each agent has a connection; raise it, or lower "
                                        "max_agents"));
  }
  if (config.max_connections_per_identity() > MostConnections(config)) {
    return locations.Error(
        "max_connections_per_identity",
        absl::StrCat(config.max_connections_per_identity(), " are more than max_connections (",
                     MostConnections(config), "); lower it, or leave it out"));
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
  const NeededDescriptors needed = DescriptorsNeededBy(config);
  uint64_t connections = MostConnections(config);
  uint64_t per_identity = MaxConnectionsPerIdentity(config);
  if (descriptors < needed.least) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process may open ", descriptors, " files, which leaves no room for ",
                     "agents; allow it ", needed.all, " (LimitNOFILE= of the unit, ulimit -n)"));
  }
  if (descriptors < needed.all) {
    connections = descriptors - needed.other;
    // Nobody gets all that is left.
    per_identity = std::max<uint64_t>(std::min(per_identity, connections / 2), 1);
    log->Warning("server.few_descriptors",
                 {{"limit", descriptors},
                  {"needed", needed.all},
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
                 .per_identity = per_identity}};
}

}  // namespace entropyd
