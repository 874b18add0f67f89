#include "server/rpc/grpc_door.h"

#include <utility>
#include <vector>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"

namespace entropyd {
namespace {

using Connections = grpc::experimental::ExternalConnectionAcceptor;
using Connection = Connections::NewConnectionParameters;

// Sees every call as it begins, those to gRPC's own services too, and intercepts none.
class Introductions final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Introductions(Door* door) : door_(door) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    if (door_->has_strangers()) door_->Introduce(call->server_context()->peer());
    return nullptr;
  }

 private:
  Door* const door_;
};

std::unique_ptr<Connections> Accepting(grpc::ServerBuilder* builder,
                                       std::shared_ptr<grpc::ServerCredentials> credentials) {
  return builder->experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
}

}  // namespace

GrpcDoor::GrpcDoor(grpc::ServerBuilder* builder,
                   std::shared_ptr<grpc::ServerCredentials> credentials, Door* door)
    : acceptor_(Accepting(builder, std::move(credentials))) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<Introductions>(door));
  builder->experimental().SetInterceptorCreators(std::move(creators));
}

Door::Receive GrpcDoor::receive() const {
  return [acceptor = acceptor_.get()](UniqueFd connection) {
    Connection given;
    given.fd = connection.release();
    acceptor->HandleNewConnection(&given);
  };
}

}  // namespace entropyd
