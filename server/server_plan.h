// What a server is to be: a configuration that has passed every check that needs no device and no
// socket, with the files that it names.
//
//   auto plan = ServerPlan::Check(config, locations, clock).value();  // as --check-config
//   auto server = Server::Start(std::move(plan), clock, log).value();
//
// Thread safety: a value, and functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config/config.h"
#include "base/crypto/tls.h"
#include "base/process/clock.h"
#include "proto/class_state.pb.h"
#include "proto/server_config.pb.h"
#include "server/access/policy.h"

namespace entropyd {

struct ServerPlan {
  config::v1::Server config;
  config::Locations locations;
  Policy policy;
  tls::Material material;
  // The changes of operators that state_dir has kept.
  config::v1::ClassState class_state;
  // What an operator should mend, with file:line:column: of the configuration and the certificate,
  // which a start logs, and of Supply::Check(), which knows what of it a start logs.
  std::vector<std::string> warnings;
  std::vector<std::string> supply_warnings;

  // Errors: INVALID_ARGUMENT with file:line:column (configuration), UNAVAILABLE when this machine
  // cannot listen on one of the addresses now, else as tls::LoadMaterial() and LoadClassState().
  // A server that runs judges sources and pools by Supply::Prepare(), which knows its sources: a
  // device that is away now is what it was (kRunning).
  enum class Supplied { kFromNothing, kRunning };
  static absl::StatusOr<ServerPlan> Check(config::v1::Server config, config::Locations locations,
                                          const Clock& clock,
                                          Supplied supplied = Supplied::kFromNothing);
  // Whether Check() may succeed later without a change of the configuration, because the fault is
  // in the files of TLS.
  static bool TimeMayMend(const absl::Status& fault);
};

}  // namespace entropyd
