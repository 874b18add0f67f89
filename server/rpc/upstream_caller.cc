// The gRPC half of driver `upstream`.
#include "server/driver/upstream_caller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/tls.h"
#include "base/wire/grpc_credentials.h"
#include "base/wire/grpc_status.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/channel_arguments.h"
#include "proto/entropy.grpc.pb.h"

namespace entropyd {
namespace {

grpc::ChannelArguments Arguments(const config::v1::ClientTls& tls) {
  grpc::ChannelArguments arguments;
  // The source has a connection and a back-off of its own: it tries again every second.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Secrets do not compress.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // Servers are reached directly; a proxy meant for the web is of no use here.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!tls.server_name().empty()) arguments.SetSslTargetNameOverride(tls.server_name());
  return arguments;
}

// "ipv4:10.0.0.1:7743" and "ipv6:%5B::1%5D:7743" are gRPC's ways to write host:port.
std::string AddressOfPeer(absl::string_view peer) {
  absl::ConsumePrefix(&peer, "ipv4:");
  absl::ConsumePrefix(&peer, "ipv6:");
  return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}});
}

class GrpcUpstreamCaller final : public UpstreamCaller {
 public:
  GrpcUpstreamCaller(std::string address, config::v1::ClientTls tls)
      : address_(std::move(address)), tls_(std::move(tls)) {}

  absl::Status Open() override {
    const absl::StatusOr<tls::Material> material =
        tls::LoadMaterial(tls_.cert(), tls_.key(), tls_.ca(), /*crl=*/"", absl::Now());
    if (!material.ok()) return material.status();
    stub_ = v1::Entropy::NewStub(
        grpc::CreateCustomChannel(address_, tls::ChannelCredentials(*material), Arguments(tls_)));
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Get(const std::string& pool_class, absl::Span<uint8_t> out,
                             absl::Duration timeout) override {
    v1::GetRequest request;
    request.set_class_(pool_class);
    request.set_bytes(static_cast<uint32_t>(out.size()));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!Begin(&context)) return absl::CancelledError("interrupted");
    v1::GetResponse response;
    const absl::Status status = FromGrpc(stub_->Get(&context, request, &response));
    const bool interrupted = !Begin(nullptr);
    std::string* const data = response.mutable_data();
    const size_t n = std::min(out.size(), data->size());
    MoveOut({reinterpret_cast<uint8_t*>(data->data()), data->size()}, out.first(n));
    if (interrupted) return absl::CancelledError("interrupted");
    if (!status.ok()) {
      return absl::UnavailableError(
          absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message()));
    }
    peer_ = AddressOfPeer(context.peer());
    return n;
  }

  std::string peer() const override { return peer_; }
  void Close() override { stub_.reset(); }

  void Interrupt() override {
    absl::MutexLock lock(&mutex_);
    interrupted_ = true;
    if (current_ != nullptr) current_->TryCancel();
  }

 private:
  // Sets the call that is under way from now on; nullptr = none. Returns false when interrupted.
  bool Begin(grpc::ClientContext* call) {
    absl::MutexLock lock(&mutex_);
    current_ = interrupted_ ? nullptr : call;
    return !interrupted_;
  }

  const std::string address_;
  const config::v1::ClientTls tls_;
  std::unique_ptr<v1::Entropy::Stub> stub_;  // the source thread's own
  std::string peer_;                         // likewise

  absl::Mutex mutex_;
  grpc::ClientContext* current_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<UpstreamCaller> NewUpstreamCaller(std::string address, config::v1::ClientTls tls) {
  return std::make_unique<GrpcUpstreamCaller>(std::move(address), std::move(tls));
}

}  // namespace entropyd
