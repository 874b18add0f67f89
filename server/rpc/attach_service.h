// The gRPC adapter of Attach and Get. It moves messages between reactors and the dispatcher, and
// decides only who may come in.
//
// Secret bytes never enter a protobuf message. Both calls are raw: a message goes out as one slice,
// which is wiped when gRPC lets go of it.
//
// Errors: a caller that may not come in gets the status of Gate::Admit().
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

// All arguments outlive the service.
std::unique_ptr<grpc::Service> MakeAttachService(const Gate* gate, DispatchLoop* loop,
                                                 Protocols* protocols);

}  // namespace entropyd
