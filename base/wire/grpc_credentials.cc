#include "base/wire/grpc_credentials.h"

#include "base/wire/grpc_resolver.h"

namespace entropyd::tls {
namespace {

// Before main(): gRPC has not been used yet, and there is no other thread.
[[maybe_unused]] const bool kPlatformResolver = UsePlatformResolver();

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const Material& material) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = material.ca_pem;
  options.pem_key_cert_pairs.push_back({material.key_pem, material.cert_pem});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Material& material) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = material.ca_pem;
  options.pem_private_key = material.key_pem;
  options.pem_cert_chain = material.cert_pem;
  return grpc::SslCredentials(options);
}

}  // namespace entropyd::tls
