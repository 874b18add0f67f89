// Keeps the calls that gRPC answers by itself (grpc.health.v1, reflection) among the open calls, so
// that new rules can end them, too. Their peers are not told why: the calls are cancelled.
//
//   builder.experimental().SetInterceptorCreators(WatchForeignCalls(&gate, &open_calls, own));
//
// Calls of the methods in `own` cost nothing more: their services look after them.
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <vector>

#include "grpcpp/support/server_interceptor.h"
#include "server/access/gate.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/serving_credentials.h"

namespace entropyd {

// Gate and calls outlive the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
WatchForeignCalls(const Gate* gate, OpenCalls* open_calls, ServingCredentials::Methods own);

}  // namespace entropyd
