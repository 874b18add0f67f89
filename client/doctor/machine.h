// The machine, as the checks see it. Files of services are real everywhere; what a test cannot have
// goes through here: /proc and /sys, other programs, the network, the agent.
//
//   Machine machine = ThisMachine();
//   auto shown = machine.run({"systemctl", "show", "entropyd.service"});
//
// Every function ends in bounded time.
//
// Thread safety: belongs to one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "client/doctor/file_access.h"
#include "client/libvirt/libvirt_host.h"
#include "client/name_lookup.h"
#include "proto/agent_admin.pb.h"
#include "proto/server_config.pb.h"

namespace entropyd::doctor {

// What a program has said, and how it ended.
struct ProgramOutput {
  int status = 0;  // 127 also when there is no such program
  std::string out;
  std::string err;
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct Machine {
  std::function<absl::Time()> now;
  // Stands before the paths of the system. Empty = the real ones.
  std::string root;
  // Errors: DEADLINE_EXCEEDED when it does not end.
  std::function<absl::StatusOr<ProgramOutput>(const std::vector<std::string>& argv)> run;
  NameLookup::Resolve resolve;
  // `address` as the key `metrics` has it. Errors: UNAVAILABLE.
  std::function<absl::StatusOr<HttpAnswer>(const std::string& address, const std::string& path)>
      http_get;
  // By the control socket. Errors: those of AgentAdminClient.
  std::function<absl::StatusOr<v1::GetStatusResponse>(const std::string& control)> agent_status;
  // Whether a server says by grpc.health.v1 that it serves. Errors: those of ServerHealth().
  std::function<absl::StatusOr<bool>(const std::string& server, const config::v1::ClientTls& tls)>
      serving;
  std::function<absl::StatusOr<std::unique_ptr<LibvirtHost>>()> libvirt;
  // A user of this machine, with the groups.
  std::function<absl::optional<Actor>(const std::string& name)> user;

  std::string System(absl::string_view path) const { return absl::StrCat(root, path); }
};

Machine ThisMachine();

// The text of a small file of the system. Empty when it cannot be read.
std::string ReadSystemFile(const std::string& path);

}  // namespace entropyd::doctor
