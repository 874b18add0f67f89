// A service of entropyd on this machine: the server, or the host agent. Its configuration, read as
// the program reads it; its process; its unit.
//
//   std::vector<Service> services = FindServices(machine, {.server_config = "server.yaml"});
//
// Errors: none; a configuration that cannot be read says why in `loaded`.
//
// Thread safety: a value, and functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/config/config.h"
#include "client/doctor/machine.h"
#include "client/doctor/process_facts.h"
#include "client/doctor/unit_facts.h"
#include "proto/agent_config.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd::doctor {

enum class Role { kServer, kAgent };

// Configurations that somebody names. Empty = what is found.
struct Choice {
  std::string server_config;
  std::string agent_config;
};

struct Service {
  Role role = Role::kServer;
  std::string config_path;
  // Whether the file could be read as YAML of its schema; else `server` and `agent` are empty.
  absl::Status loaded;
  config::v1::Server server;    // Role::kServer
  config::v1::HostAgent agent;  // Role::kAgent
  absl::optional<Process> process;
  // The program runs, but with another configuration.
  absl::optional<Process> other;
  // Only where it runs this configuration.
  absl::optional<Unit> unit;
  // Who runs it: the process's user, else the unit's, else the caller.
  Actor actor;
  // Who owns a directory of it that the doctor makes: the unit's user, else the caller. The
  // process's user does not matter here.
  uid_t owner = 0;
  // The program, for --check-config.
  std::string program;

  std::string name() const { return role == Role::kServer ? "entropyd" : "entropyd-hostagent"; }
  // "server", "agent"
  std::string word() const { return role == Role::kServer ? "server" : "agent"; }
  // Its certificate, key, CA and list; an agent has no list.
  struct TlsPaths {
    std::string cert, key, ca, crl;
    std::string ca_key;  // "client_ca", "ca"
  };
  TlsPaths tls() const;
  std::string state_dir() const;
  // "systemctl start entropyd", or the command line where there is no unit.
  std::string StartCommand() const;
};

// A service is here when its configuration is named, or at its usual place, or when its process
// runs, or when its unit names another file that is there. A process counts when it is the unit's,
// or belongs to root, the caller or the unit's user. Its configuration counts when CheckSafeFile()
// is content with it.
std::vector<Service> FindServices(const Machine& machine, const Choice& choice);

}  // namespace entropyd::doctor
