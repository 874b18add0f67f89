// The gRPC face of Admin: what operators see and do. Needs the role `operator`.
//
// Thread safety: safe.
#pragma once

#include <memory>

#include "server/dispatch_loop.h"
#include "server/gate.h"
#include "server/supply.h"

namespace grpc {
class Service;
}

namespace entropyd {

// All outlive the service.
std::unique_ptr<grpc::Service> MakeAdminService(const Gate* gate, DispatchLoop* loop,
                                                const Supply* supply);

}  // namespace entropyd
