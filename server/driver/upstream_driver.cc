#include "server/driver/upstream_driver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/crypto/tls.h"
#include "base/process/host_port.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// One call per second while no pool wants bytes.
constexpr size_t kReadBytes = 1024;

// 16 calls per second. The other server has agents to serve, and limits us as one reader of its
// class.
constexpr uint64_t kDefaultMaxRate = 16 << 10;

// The root of what an entropyd gives: its host:port.
std::string RootOf(absl::string_view address) {
  return absl::StrCat("entropyd ", RootOfAddress(address));
}

}  // namespace

ConfigFault UpstreamDriver::Check(const config::v1::SourceConfig& config) {
  const absl::string_view address = config.address();
  if (address.empty()) {
    return {"address", "driver upstream needs the other server, e.g. address: entropyd-0:7743"};
  }
  if (!ParseRemoteHostPort(address).ok()) {
    return {"address", absl::StrCat("'", address,
                                    "' is no host and port; write e.g. entropyd-0.entropyd:7743")};
  }
  if (!IsPoolClass(config.class_())) {
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

ConfigFault UpstreamDriver::Look(const config::v1::SourceConfig& config) {
  const absl::Status material = tls::LoadMaterial(config.tls().cert(), config.tls().key(),
                                                  config.tls().ca(), /*crl=*/"", absl::Now())
                                    .status();
  if (material.ok()) return {};
  const absl::string_view key = tls::MaterialKey(material);
  const char* const where = key == "cert"  ? "tls.cert"
                            : key == "key" ? "tls.key"
                            : key == "ca"  ? "tls.ca"
                                           : "tls";
  return {where, std::string(material.message())};
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
  identity.root = RootOf(config.address());
  identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> UpstreamDriver::Create(const config::v1::SourceConfig& config,
                                                     const SourceIdentity& identity) {
  return std::make_unique<UpstreamDriver>(config.address(), config.class_(),
                                          NewUpstreamCaller(config.address(), config.tls()),
                                          absl::Nanoseconds(identity.claims.silence_nanos));
}

UpstreamDriver::UpstreamDriver(std::string address, std::string pool_class,
                               std::unique_ptr<UpstreamCaller> caller, absl::Duration patience)
    : address_(std::move(address)),
      pool_class_(std::move(pool_class)),
      patience_(patience),
      caller_(std::move(caller)) {}

absl::StatusOr<std::string> UpstreamDriver::Open() {
  absl::Status opened = caller_->Open();
  if (!opened.ok()) return opened;
  return absl::StrCat("entropyd at ", address_);
}

absl::StatusOr<size_t> UpstreamDriver::Read(absl::Span<uint8_t> out) {
  absl::StatusOr<size_t> got =
      caller_->Get(pool_class_, out.first(std::min(out.size(), kReadBytes)), patience_);
  if (got.ok() || absl::IsCancelled(got.status())) return got;
  absl::string_view reason = got.status().message();
  absl::ConsumePrefix(&reason, absl::StrCat("get from ", pool_class_, ": "));
  return absl::UnavailableError(
      absl::StrCat("get from ", pool_class_, " at ", address_, ": ", reason));
}

std::string UpstreamDriver::root() const {
  const std::string peer = caller_->peer();
  return peer.empty() ? "" : RootOf(peer);
}

}  // namespace entropyd
