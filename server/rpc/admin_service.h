// The gRPC face of Admin: what operators see and do. Needs the role `operator`.
//
// Thread safety: safe.
#pragma once

#include <memory>

#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/classes/class_changes.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/supply.h"

namespace grpc {
class Service;
}

namespace entropyd {

struct AdminOptions {
  // Raw samples may leave the server.
  bool allow_recording = false;
};

// All outlive the service. A call that waits for a source ends with the source at the latest: the
// supply must stop before gRPC is waited for.
// What the service answers from; all outlive it.
struct AdminParts {
  const Gate* gate;
  DispatchLoop* loop;
  // Touched by its owner only: through the loop.
  Dispatcher* dispatcher;
  // Likewise.
  Protocols* protocols;
  Supply* supply;
  ClassChanges* changes;
};

std::unique_ptr<grpc::Service> MakeAdminService(const AdminParts& parts,
                                                const AdminOptions& options);

}  // namespace entropyd
