#include "server/rpc/serving_credentials.h"

#include "absl/synchronization/mutex.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"
#include "grpcpp/security/server_credentials.h"

namespace entropyd {
// gRPC's C++ credentials cannot change, so this wraps those of its C interface, which ask for the
// certificate at each handshake. They have no processor of metadata: with one, gRPC 1.51 copies all
// headers of a call for it, and aborts the process at `grpclb_client_stats`, which any peer may
// send.
class ServingCredentials::Impl final : public grpc::ServerCredentials {
 public:
  explicit Impl(const tls::Material& material) : material_(material) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &Impl::Fetch, this));
  }
  ~Impl() override { grpc_server_credentials_release(credentials_); }

  void SetMaterial(const tls::Material& material) {
    absl::MutexLock lock(&mutex_);
    material_ = material;
    told_ = false;
  }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // gRPC calls it at each handshake.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<Impl*>(self)->Fetch(config);
  }
  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    absl::MutexLock lock(&mutex_);
    if (told_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {material_.key_pem.c_str(), material_.cert_pem.c_str()};
    *config = grpc_ssl_server_certificate_config_create(material_.ca_pem.c_str(), &pair, 1);
    told_ = true;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  grpc_server_credentials* credentials_ = nullptr;
  absl::Mutex mutex_;
  tls::Material material_ ABSL_GUARDED_BY(mutex_);
  // gRPC has this material.
  bool told_ ABSL_GUARDED_BY(mutex_) = false;
};

ServingCredentials::ServingCredentials(const tls::Material& material)
    : impl_(std::make_shared<Impl>(material)) {}

void ServingCredentials::SetMaterial(const tls::Material& material) {
  impl_->SetMaterial(material);
}

std::shared_ptr<grpc::ServerCredentials> ServingCredentials::grpc() const { return impl_; }

}  // namespace entropyd
