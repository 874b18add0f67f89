// Makes mTLS credentials for gRPC out of checked material (base/crypto/tls.h).
//
//   builder.AddListeningPort(address, tls::ServerCredentials(material));
//
// Errors: none; the material is checked.
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>

#include "base/crypto/tls.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"

namespace entropyd::tls {

// Requires and verifies a client certificate.
std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const Material& material);
// Presents the certificate and verifies the server against material.ca_pem.
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Material& material);

}  // namespace entropyd::tls
