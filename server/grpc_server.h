// The server's half of gRPC: all services behind the door, with the settings that we have measured,
// and what grpc.health.v1 says.
//
//   auto grpc = *GrpcServer::Start(admin, &door, material);
//   grpc->SetServing(standing.Ready().ok());       // twice a second
//   ...
//   grpc->StopServing();                           // clients look for another server
//   ... sessions leave ...
//   grpc->Stop(kStopGraceNanos);
//
// Errors: of Start(): INTERNAL when gRPC does not start, RESOURCE_EXHAUSTED when this process may
// not have the threads that it needs.
//
// Thread safety: one owner; credentials() is safe.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "base/crypto/tls.h"
#include "server/door/door.h"
#include "server/door/door_thread.h"
#include "server/rpc/admin_service.h"

namespace grpc {
class Server;
class Service;
}  // namespace grpc

namespace entropyd {

class GrpcDoor;
class ServingCredentials;
class UnknownCalls;

class GrpcServer {
 public:
  // The parts and the door outlive it. It takes the door's turns on a thread of its own.
  // grpc.health.v1 says that it does not serve yet.
  // REQUIRES: CheckThreadsForGrpc() is OK.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const AdminParts& parts, Door* door,
                                                           const tls::Material& material);
  // REQUIRES: Stop() was called, or no connection has come.
  ~GrpcServer();

  // With what it serves. They live as long as this.
  ServingCredentials* credentials() { return credentials_.get(); }

  // What grpc.health.v1 says from now on. Tells those who watch it only of a change.
  void SetServing(bool serving);
  // It says for good that it does not serve.
  void StopServing();
  // Nobody comes in any more, and calls that still run after `grace_nanos` are cancelled. Returns
  // when all have ended.
  void Stop(int64_t grace_nanos);

 private:
  GrpcServer(const AdminParts& parts, Door* door, const tls::Material& material);

  const std::unique_ptr<grpc::Service> attach_service_;
  const std::unique_ptr<grpc::Service> admin_service_;
  const std::unique_ptr<UnknownCalls> unknown_calls_;
  const std::unique_ptr<ServingCredentials> credentials_;
  std::unique_ptr<GrpcDoor> grpc_door_;
  std::unique_ptr<grpc::Server> server_;
  DoorThread door_thread_;  // before all that connections are given to ends
  bool serving_ = false;    // as grpc.health.v1 was told
};

}  // namespace entropyd
