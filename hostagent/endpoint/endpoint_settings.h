// An entry of `listeners`, or the socket of a single guest: where guests come in, and what they are
// taken for there.
//
// Thread safety: a value.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>

#include "proto/agent_config.pb.h"

namespace entropyd {

struct EndpointSettings {
  std::string path;
  mode_t mode = 0;
  std::string group;       // empty = the process's own
  size_t class_index = 0;  // among the agent's classes
  config::v1::Clients clients = config::v1::CLIENTS_AUTO;
  std::string clients_name;  // as in the configuration: "auto"
  bool tcp = false;          // `path` is IP:PORT; no mode, no group
  config::v1::Identify identify = config::v1::IDENTIFY_NONE;
  bool refuse_unknown = false;  // a peer that `identify` does not know
  std::string fifo = "";        // the path of a named pipe, which nobody connects to; `path` is
                                // "fifo:" and it then
  std::string guest = "";       // whom it was made for; empty = it is one of the configuration
  std::string identify_name = "none";  // `identify` as in the configuration
};

}  // namespace entropyd
