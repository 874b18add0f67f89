// Which server is a host's first, second, ... choice: highest random weight (rendezvous) hashing
// (Thaler and Ravishankar 1998). Every host orders the servers on its own. Hosts spread evenly, and
// a server that comes or goes moves only the hosts that it gains or loses.
//
//   std::vector<std::string> order = RendezvousOrder(host_id, {"a:7743", "b:7743"});
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace entropyd {

// `servers` by falling weight. The weight is the first 8 bytes of SHA-256(host_id, 0, server),
// which is stable across builds, versions and machines.
std::vector<std::string> RendezvousOrder(absl::string_view host_id,
                                         std::vector<std::string> servers);

}  // namespace entropyd
