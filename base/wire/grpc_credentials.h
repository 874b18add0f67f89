// mTLS credentials for gRPC from checked material.
#pragma once

#include <memory>
#include <string>

#include "base/crypto/tls.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"

namespace entropyd::tls {

// Requires and verifies a client certificate.
std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const Material& material);
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Material& material);

}  // namespace entropyd::tls
