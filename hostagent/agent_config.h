// Checks agent.yaml for meaning: what the loader cannot know because it takes two keys, or this
// host, to tell. `--check-config` and start-up both use it.
//
//   absl::StatusOr<AgentSettings> settings = ResolveAgentConfig(config, locations);
//   if (!settings.ok()) return settings.status();   // file:line:column, one error on each line
//
// Errors: INVALID_ARGUMENT; see each function.
//
// Thread safety: functions without state; AgentSettings is a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "base/config/config.h"
#include "base/process/clock.h"
#include "hostagent/endpoint/endpoint_settings.h"
#include "hostagent/serving/served_class.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

struct AgentSettings {
  using Class = ClassSettings;
  using Socket = EndpointSettings;
  // The key feed_kernel, resolved.
  struct KernelFeed {
    // Index into `classes`.
    size_t class_index = 0;
    // Bytes that the feed gives each time.
    uint32_t bytes = 0;
    int64_t every_nanos = 0;
    // Bits of entropy that the feed claims for them.
    uint32_t credit_bits = 0;
  };
  // First the classes that listeners name, in their order, each once. Then the class of
  // feed_kernel. Then the other configured classes, by name: guests come to them by their metadata.
  std::vector<Class> classes;
  // This many of them, the first ones, have guests or feeds without any metadata.
  size_t named_classes = 0;
  std::vector<Socket> listeners;
  absl::optional<KernelFeed> kernel_feed;
  uint32_t max_guests = 0;
  uint32_t max_connections_per_guest = 0;
  // The control socket. Successors find the one for handovers beside it.
  std::string control;
  // Where sockets for single guests are made.
  std::string guest_socket_dir;
  // Settings that are valid but surely not what their writer wanted, with file:line:column: keys
  // that have no effect beside the other keys, and things that this machine lacks. A start logs
  // them.
  std::vector<std::string> warnings;
  // The most guests that /metrics/guests lists; 0 = there is no such page.
  size_t guest_metrics = 0;
};

// Errors: INVALID_ARGUMENT with file:line:column. Every independent error is on a line of its own.
absl::StatusOr<AgentSettings> ResolveAgentConfig(const config::v1::HostAgent& config,
                                                 const config::Locations& locations);

// Whether what earlier runs have left in state_dir can be used. Errors: of CheckHostId and
// LoadGuestSockets.
absl::Status CheckAgentState(const config::v1::HostAgent& config);

// Finds all that can be wrong with a configuration before anything is opened. That is what the two
// above find; files of TLS that cannot be used now; directories of listeners that are missing, or
// where others may write. An agent starts without these: it waits, and makes missing directories. A
// reload gives up nothing that works. Returns the warnings. Errors: of the two above and
// tls::LoadMaterial.
absl::StatusOr<std::vector<std::string>> CheckAgentConfig(const config::v1::HostAgent& config,
                                                          const config::Locations& locations,
                                                          const Clock* clock);

}  // namespace entropyd
