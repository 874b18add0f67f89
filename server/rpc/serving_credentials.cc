#include "server/rpc/serving_credentials.h"

#include <utility>

#include "absl/synchronization/mutex.h"
#include "base/wire/grpc_status.h"
#include "grpc/grpc.h"
#include "grpc/grpc_security.h"

namespace entropyd {
namespace {

absl::string_view SliceText(const grpc_slice& slice) {
  return absl::string_view(reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)),
                           GRPC_SLICE_LENGTH(slice));
}

absl::string_view PropertyOf(const grpc_auth_context* peer, const char* name) {
  grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(peer, name);
  const grpc_auth_property* const property = grpc_auth_property_iterator_next(&it);
  return property == nullptr ? absl::string_view()
                             : absl::string_view(property->value, property->value_length);
}

absl::string_view PathOf(const grpc_metadata* metadata, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (SliceText(metadata[i].key) == ":path") return SliceText(metadata[i].value);
  }
  return {};
}

// How the log calls a method. Its path is the peer's choice: it may be long, and another each time.
absl::string_view KnownCall(absl::string_view path) {
  for (const absl::string_view known :
       {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    if (path == known) return known.substr(1);
  }
  return "unknown";
}

}  // namespace

// gRPC's C++ credentials cannot change, so this wraps those of its C interface, which ask for the
// certificate at each handshake.
class ServingCredentials::Impl final : public grpc::ServerCredentials {
 public:
  Impl(const tls::Material& material, const Gate* gate, Methods own)
      : gate_(gate), own_(std::move(own)), material_(material) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, &Impl::Fetch, this));
    grpc_server_credentials_set_auth_metadata_processor(credentials_,
                                                        {&Impl::Process, [](void*) {}, this});
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

  // gRPC calls it for each call before it looks for the method.
  static void Process(void* self, grpc_auth_context* peer, const grpc_metadata* metadata,
                      size_t count, grpc_process_auth_metadata_done_cb done, void* user_data) {
    const absl::Status status = static_cast<Impl*>(self)->Ask(peer, PathOf(metadata, count));
    done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.code()),
         status.ok() ? nullptr : std::string(status.message()).c_str());
  }
  absl::Status Ask(const grpc_auth_context* peer, absl::string_view path) const {
    if (own_.contains(path)) return absl::OkStatus();
    // The transport does not tell the address here.
    return gate_
        ->Admit({.cert_pem = PropertyOf(peer, GRPC_X509_PEM_CERT_PROPERTY_NAME),
                 .chain_pem = PropertyOf(peer, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME),
                 .address = {},
                 .call = KnownCall(path)},
                {config::v1::ROLE_AGENT, config::v1::ROLE_READER, config::v1::ROLE_OPERATOR})
        .status();
  }

  const Gate* const gate_;
  const Methods own_;
  grpc_server_credentials* credentials_ = nullptr;
  absl::Mutex mutex_;
  tls::Material material_ ABSL_GUARDED_BY(mutex_);
  // gRPC has this material.
  bool told_ ABSL_GUARDED_BY(mutex_) = false;
};

ServingCredentials::ServingCredentials(const tls::Material& material, const Gate* gate, Methods own)
    : impl_(std::make_shared<Impl>(material, gate, std::move(own))) {}

void ServingCredentials::SetMaterial(const tls::Material& material) {
  impl_->SetMaterial(material);
}

std::shared_ptr<grpc::ServerCredentials> ServingCredentials::grpc() const { return impl_; }

}  // namespace entropyd
