// The server's end of TLS: with which certificate it serves, whose clients it takes, and who may
// make a call at all. All of it may change while the server runs; connections that are open go on.
//
//   ServingCredentials credentials(material, &gate, OwnMethods());
//   GrpcDoor grpc_door(&builder, credentials.grpc());
//   credentials.SetMaterial(renewed);               // for the handshakes from now on
//
// The methods of `own` ask the gate themselves, because they know which role they want. For every
// other call (grpc.health.v1, reflection, what does not exist) any role is enough, and this asks.
//
// Errors: a caller that may not come in gets the status of Gate::Admit().
//
// Thread safety: safe.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "base/crypto/tls.h"
#include "grpcpp/security/server_credentials.h"
#include "server/access/gate.h"

namespace entropyd {

class ServingCredentials {
 public:
  // The paths ("/package.Service/Method") of methods that ask the gate.
  using Methods = absl::flat_hash_set<std::string>;

  // The gate outlives the server.
  ServingCredentials(const tls::Material& material, const Gate* gate, Methods own);

  // REQUIRES: checked (tls::LoadMaterial).
  void SetMaterial(const tls::Material& material);

  // For one port.
  std::shared_ptr<grpc::ServerCredentials> grpc() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace entropyd
