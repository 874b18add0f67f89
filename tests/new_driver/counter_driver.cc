#include "server/driver/counter_driver.h"

#include <openssl/sha.h>

#include <algorithm>

namespace entropyd {

ConfigFault CounterDriver::Check(const config::v1::SourceConfig& config) {
  if (config.path() == "up") return {};
  return {"path", "driver counter counts up only; write path: up"};
}

SourceIdentity CounterDriver::Identify(const config::v1::SourceConfig&) {
  SourceIdentity identity;
  identity.nature = SourceIdentity::Nature::kSoftware;
  identity.claims.group = "counter";
  identity.claims.min_entropy = 1;
  identity.claims.health_min_entropy = 1;
  identity.claims.max_rate = 1 << 20;
  return identity;
}

std::unique_ptr<SourceDriver> CounterDriver::Create(const config::v1::SourceConfig&,
                                                    const SourceIdentity&) {
  return std::make_unique<CounterDriver>();
}

absl::StatusOr<size_t> CounterDriver::Read(absl::Span<uint8_t> out) {
  uint8_t digest[SHA512_DIGEST_LENGTH];
  ++count_;
  SHA512(reinterpret_cast<const uint8_t*>(&count_), sizeof(count_), digest);
  const size_t n = std::min(out.size(), sizeof(digest));
  std::copy_n(digest, n, out.data());
  return n;
}

}  // namespace entropyd
