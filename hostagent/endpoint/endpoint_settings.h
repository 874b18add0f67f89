// An entry of `listeners`, or the socket of a single guest: where guests come in, and how they are
// treated there.
//
//   EndpointSettings socket{.path = "/run/entropyd/egd.sock", .mode = 0660};
//
// Errors: none.
//
// Thread safety: a value, and functions without state.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "absl/types/optional.h"
#include "proto/agent_config.pb.h"

namespace entropyd {

struct EndpointSettings {
  // The path of the socket; see `tcp` and `fifo`.
  std::string path;
  mode_t mode = 0;
  // Empty = see Listener::Options.
  std::string group;
  // Index into the agent's classes.
  size_t class_index = 0;
  config::v1::Clients clients = config::v1::CLIENTS_AUTO;
  // `path` is IP:PORT; there is no mode and no group.
  bool tcp = false;
  config::v1::Identify identify = config::v1::IDENTIFY_NONE;
  // Refuse a peer that `identify` does not know.
  bool refuse_unknown = false;
  // The path of a named pipe, to which nobody connects. Then `path` is "fifo:" and this path.
  std::string fifo = "";
  // The guest for which this socket was made. Empty = it is one of the configuration.
  std::string guest = "";
  // The number of `group`, where somebody has found it out already.
  absl::optional<gid_t> group_id = absl::nullopt;
};

// The words of the configuration, e.g. "auto" and "libvirt".
std::string ClientsWord(config::v1::Clients clients);
std::string IdentifyWord(config::v1::Identify identify);

}  // namespace entropyd
