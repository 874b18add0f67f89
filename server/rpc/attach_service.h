// The gRPC face of Attach and Get: moves messages between reactors and the dispatcher, and decides
// nothing but who may come in.
//
// Bytes that are secret never enter a protobuf message: both calls are raw, and what goes out is
// one slice that is cleansed when gRPC lets go of it.
//
// Thread safety: safe.
#pragma once

#include <memory>

#include "server/access/gate.h"
#include "server/attach/protocols.h"
#include "server/dispatch/dispatch_loop.h"

namespace grpc {
class Service;
}

namespace entropyd {

// All outlive the service.
std::unique_ptr<grpc::Service> MakeAttachService(const Gate* gate, DispatchLoop* loop,
                                                 Protocols* protocols);

}  // namespace entropyd
