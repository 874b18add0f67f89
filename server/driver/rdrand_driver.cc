#include "server/driver/rdrand_driver.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

// Intel's Digital Random Number Generator guide, 5.2.1: ten tries without success mean a fault.
constexpr int kMaxTries = 10;

// One block of the health tests for 64-bit words. Larger reads would only keep the thread longer.
constexpr size_t kReadBytes = 4096;

// 576 bits of credit, one conditioned block, need 144 KiB. At this rate that takes 70 ms, and
// reading and testing cost about 2 % of one core.
constexpr uint64_t kDefaultMaxRate = 2 << 20;

// Open() compares this many words, because some processors repeat one value for ever.
constexpr int kOpenWords = 8;

#if defined(__x86_64__)
__attribute__((target("rdrnd"))) bool DrawOnce(uint64_t* word) {
  unsigned long long value;
  if (_rdrand64_step(&value) == 0) return false;
  *word = value;
  return true;
}
#endif

}  // namespace

RdrandDriver::Draw RdrandDriver::ProcessorDraw() {
#if defined(__x86_64__)
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_RDRND) != 0) return DrawOnce;
#endif
  return nullptr;
}

SourceIdentity RdrandDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "cpu";
  claims.min_entropy = 256.0 / 65536;
  claims.health_min_entropy = 4;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = kRootCpu;
  return identity;
}

std::unique_ptr<SourceDriver> RdrandDriver::Create(const config::v1::SourceConfig&,
                                                   const SourceIdentity&) {
  return std::make_unique<RdrandDriver>(ProcessorDraw());
}

bool RdrandDriver::DrawWithRetries(uint64_t* word) const {
  for (int i = 0; i < kMaxTries; ++i) {
    if (get_(word)) return true;
  }
  return false;
}

absl::StatusOr<std::string> RdrandDriver::Open() {
  if (get_ == nullptr) {
    return absl::NotFoundError("open rdrand: this processor has no RDRAND; remove the source");
  }
  uint64_t first = 0, word = 0;
  bool differs = false;
  for (int i = 0; i < kOpenWords; ++i) {
    if (!DrawWithRetries(&word))
      return absl::UnavailableError("open rdrand: the processor gives no value");
    if (i == 0) first = word;
    differs |= word != first;
  }
  if (!differs) {
    return absl::FailedPreconditionError(
        "open rdrand: the processor repeats one value; update its microcode or remove the source");
  }
  return std::string("RDRAND");
}

absl::StatusOr<size_t> RdrandDriver::Read(absl::Span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    uint64_t word;
    if (!DrawWithRetries(&word)) {
      if (done > 0) break;
      return absl::UnavailableError(
          absl::StrCat("read rdrand: no value after ", kMaxTries, " tries"));
    }
    const size_t n = std::min(sizeof(word), out.size() - done);
    std::memcpy(out.data() + done, &word, n);
    done += n;
    Wipe({reinterpret_cast<uint8_t*>(&word), sizeof(word)});
  }
  return done;
}

}  // namespace entropyd
