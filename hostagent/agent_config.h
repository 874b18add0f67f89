// agent.yaml, checked for meaning: what the loader cannot know because it takes two keys, or this
// host, to tell. `--check-config` and start-up both go through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/process/clock.h"
#include "hostagent/endpoint/endpoint_settings.h"
#include "hostagent/serving/served_class.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

struct AgentSettings {
  using Class = ClassSettings;
  using Socket = EndpointSettings;
  struct KernelFeed {
    size_t class_index = 0;  // into `classes`
    uint32_t bytes = 0;      // each time
    int64_t every_nanos = 0;
    uint32_t credit_bits = 0;  // claimed for them
  };
  // Those that listeners name, in their order, each once; that of feed_kernel; then the others that
  // are configured, by name: guests come to them by their metadata.
  std::vector<Class> classes;
  std::vector<Socket> listeners;
  std::optional<KernelFeed> kernel_feed;
  uint32_t max_guests = 0;
  std::string guest_socket_dir;  // where sockets for single guests are made
  size_t guest_metrics = 0;      // guests on /metrics/guests at most; 0 = no such page
};

// Errors: INVALID_ARGUMENT with file:line:column, every independent error on a line of its own.
absl::StatusOr<AgentSettings> ResolveAgentConfig(const config::v1::HostAgent& config,
                                                 const config::Locations& locations);

// All that can be wrong with a configuration before anything is opened: what ResolveAgentConfig
// finds, and TLS files that cannot be used now. Errors: of ResolveAgentConfig and
// tls::LoadMaterial.
absl::Status CheckAgentConfig(const config::v1::HostAgent& config,
                              const config::Locations& locations, const Clock* clock);

}  // namespace entropyd
