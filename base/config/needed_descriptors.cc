#include "base/config/needed_descriptors.h"

namespace entropyd {
namespace {

// Of a server: the log, the dispatcher's and gRPC's event descriptors, the HTTP port and its
// connections, the state file, and the connections that are being closed. Of an agent: the log, the
// loop's own descriptors, the control socket, the HTTP port and their connections, the streams to
// the old and the new server, a handover, libvirt's directory.
constexpr uint64_t kAlwaysOpen = 96;
// A device, and what a driver needs to open it again.
constexpr uint64_t kOfASource = 4;
// With fewer, an operator could not get in beside a few agents.
constexpr uint64_t kFewestConnections = 16;
// Readers and operators.
constexpr uint64_t kOtherConnections = 1024;

}  // namespace

uint64_t MostConnections(const config::v1::Server& config) {
  if (config.max_connections() != 0) return config.max_connections();
  // An agent that is upgraded has two for a moment.
  const uint64_t agents = config.max_agents();
  return agents + agents / 10 + kOtherConnections;
}

NeededDescriptors DescriptorsNeededBy(const config::v1::Server& config) {
  const uint64_t other = kAlwaysOpen + kOfASource * static_cast<uint64_t>(config.sources_size());
  return {other, other + kFewestConnections, other + MostConnections(config)};
}

NeededDescriptors DescriptorsNeededBy(const config::v1::HostAgent& config) {
  const uint64_t other = kAlwaysOpen + static_cast<uint64_t>(config.listeners_size());
  return {other, other + 1, other + config.max_guests()};
}

}  // namespace entropyd
