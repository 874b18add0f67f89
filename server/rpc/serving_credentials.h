// The server's end of TLS: with which certificate it serves, and whose clients it takes. Both may
// change while the server runs; connections that are open go on.
//
//   ServingCredentials credentials(material);
//   GrpcDoor grpc_door(&builder, credentials.grpc());
//   credentials.SetMaterial(renewed);               // for the handshakes from now on
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <memory>

#include "base/crypto/tls.h"

namespace grpc {
class ServerCredentials;
}

namespace entropyd {

class ServingCredentials {
 public:
  explicit ServingCredentials(const tls::Material& material);

  // REQUIRES: checked (tls::LoadMaterial).
  void SetMaterial(const tls::Material& material);

  // For one port.
  std::shared_ptr<grpc::ServerCredentials> grpc() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace entropyd
