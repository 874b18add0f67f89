#include "server/rpc/grpc_door.h"

#include <utility>

namespace entropyd {
namespace {

using Connections = grpc::experimental::ExternalConnectionAcceptor;
using Connection = Connections::NewConnectionParameters;

std::unique_ptr<Connections> Accepting(grpc::ServerBuilder* builder,
                                       std::shared_ptr<grpc::ServerCredentials> credentials) {
  return builder->experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      std::move(credentials));
}

}  // namespace

GrpcDoor::GrpcDoor(grpc::ServerBuilder* builder,
                   std::shared_ptr<grpc::ServerCredentials> credentials)
    : acceptor_(Accepting(builder, std::move(credentials))) {}

Door::Receive GrpcDoor::receive() const {
  return [acceptor = acceptor_.get()](UniqueFd connection) {
    Connection given;
    given.fd = connection.release();
    acceptor->HandleNewConnection(&given);
  };
}

}  // namespace entropyd
