#include "server/driver/upstream_driver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
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

// One call a second while no pool wants bytes.
constexpr size_t kReadBytes = 1024;

// 16 calls a second. The other has agents to serve, and shapes us as one reader of its class.
constexpr uint64_t kDefaultMaxRate = 16 << 10;

// As long as a source lets a device be silent.
constexpr absl::Duration kPatience = absl::Seconds(2);

// Two names may lead to one server: who has answered is known by its address
// ("ipv4:10.0.0.1:7743", "ipv6:%5B::1%5D:7743").
std::string RootOfPeer(absl::string_view peer) {
  absl::ConsumePrefix(&peer, "ipv4:");
  absl::ConsumePrefix(&peer, "ipv6:");
  const std::string address = absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}});
  return absl::StrCat("entropyd ", RootOfAddress(address));
}

grpc::ChannelArguments Arguments(const config::v1::ClientTls& tls) {
  grpc::ChannelArguments arguments;
  // A connection, and a back-off, of the source's own: the source is tried again every second.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Secrets do not compress.
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  // Servers are reached directly; a proxy meant for the web is of no use here.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!tls.server_name().empty()) arguments.SetSslTargetNameOverride(tls.server_name());
  return arguments;
}

}  // namespace

struct UpstreamDriver::Calls {
  std::unique_ptr<v1::Entropy::Stub> stub;  // the source thread's own

  absl::Mutex mutex;
  grpc::ClientContext* current ABSL_GUARDED_BY(mutex) = nullptr;  // the call under way
  bool interrupted ABSL_GUARDED_BY(mutex) = false;
};

ConfigFault UpstreamDriver::Check(const config::v1::SourceConfig& config) {
  const absl::string_view address = config.address();
  if (address.empty()) {
    return {"address", "driver upstream needs the other server, e.g. address: entropyd-0:7743"};
  }
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port == 0 || port > UINT16_MAX) {
    return {"address", absl::StrCat("'", address,
                                    "' is no host and port; write e.g. entropyd-0.entropyd:7743")};
  }
  const absl::string_view pool_class = config.class_();
  const size_t slash = pool_class.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == pool_class.size()) {
    return {"class", absl::StrCat("driver upstream needs a class of the other server as "
                                  "POOL/CLASS, e.g. class: default/bulk")};
  }
  if (!config.has_tls()) {
    return {"tls",
            "driver upstream needs a certificate that the other server takes for a reader: "
            "tls: {cert: …, key: …, ca: …}"};
  }
  return {};
}

SourceIdentity UpstreamDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "host";
  claims.min_entropy = 0;
  claims.health_min_entropy = 4;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = absl::StrCat("entropyd ", RootOfAddress(config.address()));
  identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> UpstreamDriver::Create(const config::v1::SourceConfig& config,
                                                     const SourceIdentity&) {
  return std::make_unique<UpstreamDriver>(config.address(), config.class_(), config.tls());
}

UpstreamDriver::UpstreamDriver(std::string address, std::string pool_class,
                               config::v1::ClientTls tls)
    : address_(std::move(address)),
      pool_class_(std::move(pool_class)),
      tls_(std::move(tls)),
      calls_(std::make_unique<Calls>()) {}

UpstreamDriver::~UpstreamDriver() = default;

absl::StatusOr<std::string> UpstreamDriver::Open() {
  const absl::StatusOr<tls::Material> material =
      tls::LoadMaterial(tls_.cert(), tls_.key(), tls_.ca(), /*crl=*/"", absl::Now());
  if (!material.ok()) return material.status();
  calls_->stub = v1::Entropy::NewStub(
      grpc::CreateCustomChannel(address_, tls::ChannelCredentials(*material), Arguments(tls_)));
  return absl::StrCat("entropyd at ", address_);
}

absl::StatusOr<size_t> UpstreamDriver::Read(absl::Span<uint8_t> out) {
  v1::GetRequest request;
  request.set_class_(pool_class_);
  request.set_bytes(static_cast<uint32_t>(std::min(out.size(), kReadBytes)));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  {
    absl::MutexLock lock(&calls_->mutex);
    if (calls_->interrupted) return absl::CancelledError("interrupted");
    calls_->current = &context;
  }
  v1::GetResponse response;
  const absl::Status status = FromGrpc(calls_->stub->Get(&context, request, &response));
  bool interrupted;
  {
    absl::MutexLock lock(&calls_->mutex);
    calls_->current = nullptr;
    interrupted = calls_->interrupted;
  }
  std::string* const data = response.mutable_data();
  const size_t n = std::min(out.size(), data->size());
  std::memcpy(out.data(), data->data(), n);
  Cleanse({reinterpret_cast<uint8_t*>(data->data()), data->size()});
  if (interrupted) return absl::CancelledError("interrupted");
  if (!status.ok()) {
    return absl::UnavailableError(absl::StrCat("draw entropy of ", pool_class_, " from ", address_,
                                               ": ", absl::StatusCodeToString(status.code()), ": ",
                                               status.message()));
  }
  root_ = RootOfPeer(context.peer());
  return n;
}

void UpstreamDriver::Close() { calls_->stub.reset(); }

void UpstreamDriver::Interrupt() {
  absl::MutexLock lock(&calls_->mutex);
  calls_->interrupted = true;
  if (calls_->current != nullptr) calls_->current->TryCancel();
}

}  // namespace entropyd
