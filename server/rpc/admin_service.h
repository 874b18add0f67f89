// The gRPC face of Admin: what operators see and do. Needs the role `operator`.
//
// Thread safety: safe.
#pragma once

#include <memory>

#include "server/access/gate.h"
#include "server/classes/class_changes.h"
#include "server/dispatch/dispatch_loop.h"
#include "server/supply.h"

namespace grpc {
class Service;
}

namespace entropyd {

struct AdminOptions {
  bool allow_recording = false;  // raw samples may leave the server
};

// All outlive the service. A call that waits for a source ends with the source at the latest: the
// supply must stop before gRPC is waited for.
std::unique_ptr<grpc::Service> MakeAdminService(const Gate* gate, DispatchLoop* loop,
                                                Supply* supply, ClassChanges* changes,
                                                const AdminOptions& options);

}  // namespace entropyd
