#include "server/driver/getrandom_driver.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>

#include "base/process/fd.h"

namespace entropyd {
namespace {

// Larger requests of getrandom(2) may be cut short by signals.
constexpr size_t kReadBytes = 256;

// Enough to feed a full pool at half this rate, for under 1 % of a core.
constexpr uint64_t kDefaultMaxRate = 1 << 20;

}  // namespace

SourceIdentity GetrandomDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "host";
  claims.min_entropy = 0;
  claims.health_min_entropy = kSoftwareOnlyMinEntropy;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = kRootKernel;
  identity.nature = SourceIdentity::Nature::kSoftware;
  return identity;
}

std::unique_ptr<SourceDriver> GetrandomDriver::Create(const config::v1::SourceConfig&,
                                                      const SourceIdentity&) {
  return std::make_unique<GetrandomDriver>();
}

absl::StatusOr<size_t> GetrandomDriver::Read(absl::Span<uint8_t> out) {
  const ssize_t n = getrandom(out.data(), std::min(out.size(), kReadBytes), GRND_NONBLOCK);
  if (n > 0) return static_cast<size_t>(n);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return ErrnoStatus(errno, "getrandom");
  return size_t{0};
}

}  // namespace entropyd
