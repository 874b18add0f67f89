// How many files a service has open: for its peers, and for itself.
//
//   const NeededDescriptors needed = DescriptorsNeededBy(config);
//   if (limit < needed.all) …   // those who connect last find no room
//
// The services use it when they start, and entropyctl when it looks at their limits.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>

#include "proto/agent_config.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd {

struct NeededDescriptors {
  uint64_t other = 0;  // without any peer
  uint64_t least = 0;  // with fewer a service does not start
  uint64_t all = 0;    // with all peers that the configuration allows
};

NeededDescriptors DescriptorsNeededBy(const config::v1::Server& config);
NeededDescriptors DescriptorsNeededBy(const config::v1::HostAgent& config);

// Connections that a server takes: the key max_connections, or what follows from max_agents.
uint64_t MostConnections(const config::v1::Server& config);

}  // namespace entropyd
