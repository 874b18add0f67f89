// Gives gRPC the connections that a door accepts. In the handshake it asks the gate who may come
// in, and tells the door how to find out later whether that still holds.
//
//   GrpcDoor grpc_door(&builder, credentials, &gate, &door);   // before the server is built
//   door_thread.Start(grpc_door.receive());              // after
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
#include "server/access/gate.h"
#include "server/door/door.h"

namespace entropyd {

class GrpcDoor {
 public:
  // Gate and door outlive it.
  GrpcDoor(grpc::ServerBuilder* builder, std::shared_ptr<grpc::ServerCredentials> credentials,
           const Gate* gate, Door* door);
  // Of handshakes that still go on, nobody comes in any more.
  ~GrpcDoor();

  // Valid as long as this. REQUIRES: not called after the server is shut down, because a server
  // that has been shut down leaves open what it gets.
  Door::Receive receive() const;

 private:
  class GateExaminer;
  class ConnectionExaminer;

  const std::shared_ptr<GateExaminer> examiner_;
  const std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
};

}  // namespace entropyd
