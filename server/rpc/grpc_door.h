// Brings the door and gRPC together: connections that the door accepts go to gRPC, and the calls
// that gRPC receives introduce their peers to the door.
//
//   GrpcDoor grpc_door(&builder, credentials, door);     // before the server is built
//   door->Start(grpc_door.receive());                    // after
//
// gRPC's own listener stops for ever when it meets EMFILE, and holds every connection that comes.
//
// Errors: none.
//
// Thread safety: one owner; what receive() returned is safe.
#pragma once

#include <functional>
#include <memory>

#include "grpcpp/server_builder.h"
#include "server/door/door.h"

namespace entropyd {

class GrpcDoor {
 public:
  // The door outlives the server that `builder` builds.
  GrpcDoor(grpc::ServerBuilder* builder, std::shared_ptr<grpc::ServerCredentials> credentials,
           Door* door);

  // Valid as long as this. A server that has been shut down closes what it gets.
  Door::Receive receive() const;

 private:
  const std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
};

}  // namespace entropyd
