// The calls that no service of ours answers: those that gRPC answers by itself (grpc.health.v1,
// reflection), and those of methods that do not exist. Any role is enough for them, and this asks
// the gate. It keeps them among the open calls, so that new rules can end them, too.
//
//   builder.experimental().SetInterceptorCreators(AdmitForeignCalls(&gate, &open_calls, own));
//   UnknownCalls unknown;
//   builder.RegisterCallbackGenericService(&unknown);
//
// Calls of the methods in `own` cost nothing more: their services look after them.
//
// Errors: a caller who may not come in gets the status of Gate::Admit(). A stream of gRPC's own
// (Watch, reflection) is cancelled, and its peer is not told why; the reason is in the log.
//
// Thread safety: safe.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/support/server_interceptor.h"
#include "server/access/gate.h"
#include "server/rpc/open_calls.h"

namespace entropyd {

// The paths ("/package.Service/Method") of methods that ask the gate.
using OwnMethods = absl::flat_hash_set<std::string>;

// Those of all services in these files.
OwnMethods MethodsIn(std::initializer_list<const google::protobuf::FileDescriptor*> files);

// Gate and calls outlive the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
AdmitForeignCalls(const Gate* gate, OpenCalls* open_calls, OwnMethods own);

// Answers what nobody else does: UNIMPLEMENTED. gRPC's own answer would come before the gate.
class UnknownCalls final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;
};

}  // namespace entropyd
