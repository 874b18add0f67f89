// The gRPC adapter of the Admin service: what operators see and do. Callers need the role
// `operator`.
//
// Errors: each call answers with a gRPC status of its own.
//
// Thread safety: safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/telemetry/log.h"
#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/classes/class_changes.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/reload/config_change.h"
#include "server/rpc/admin_audit.h"
#include "server/rpc/open_calls.h"
#include "server/supply/supply.h"

namespace grpc {
class Service;
}

namespace entropyd {

// What the service answers from. All parts outlive it. A call that waits for a source ends with the
// source at the latest. So the supply must stop before the server waits for gRPC.
struct AdminParts {
  const Gate* gate;
  DispatchLoop* loop;
  // Only the dispatcher's owner touches it: go through the loop.
  Dispatcher* dispatcher;
  // The same holds for the protocols.
  Protocols* protocols;
  Supply* supply;
  ClassChanges* changes;
  Log* log;
  AdminAudit* audit;
  // Where calls that may last are kept, so that new rules can end them.
  OpenCalls* open_calls;
  // Reloads soon, and reports what has changed, or why nothing has.
  std::function<void(std::function<void(const absl::StatusOr<ReloadOutcome>&)>)> reload;
  // Why what is on disk is not in use; "" when it is.
  std::function<std::string()> reload_problem;
  // Keys of server.yaml that only a restart takes.
  std::function<std::vector<std::string>()> needs_restart;
  // True when raw samples may leave the server. It may change.
  const std::atomic<bool>* allow_recording;
};

std::unique_ptr<grpc::Service> MakeAdminService(const AdminParts& parts);

}  // namespace entropyd
