#include "server/driver/jitter_driver.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <time.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// Larger than the first cache of any processor and smaller than the second cache of most: it gives
// hits and misses.
constexpr size_t kMemoryBytes = 512 << 10;

// Work of about 1 µs, some hundred times the counter's grain.
constexpr int kWritesPerDelta = 256;
constexpr int kDeltasPerWord = 64;

// A step beyond the next cache line. It is an odd number of bytes, so it visits all lines in time.
constexpr size_t kStride = 64 * 61 + 1;
constexpr size_t kCacheLine = 64;

constexpr size_t kReadBytes = 64;  // half a millisecond
constexpr uint64_t kDefaultMaxRate = 1 << 10;

// Open() measures this many deltas. If more than 15/16 of them were equal, each would be worth less
// than 0.1 bit.
constexpr int kOpenDeltas = 1024;
constexpr int kMaxAlike = kOpenDeltas / 16 * 15;

uint64_t Now() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecondNanos + static_cast<uint64_t>(now.tv_nsec);
#endif
}

}  // namespace

SourceIdentity JitterDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "cpu";
  claims.min_entropy = 1.0 / 8;
  // Eight bits per word: words of a working timer hold far more, and a stuck timer cannot pass.
  claims.health_min_entropy = 1;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = kRootCpu;
  return identity;
}

std::unique_ptr<SourceDriver> JitterDriver::Create(const config::v1::SourceConfig&,
                                                   const SourceIdentity&) {
  return std::make_unique<JitterDriver>(Now);
}

uint64_t JitterDriver::Delta() {
  // The value of the counter decides which lines are touched, so no two deltas do quite the same.
  const size_t detour = (last_ % kCacheLine) * kCacheLine;
  volatile uint8_t* const memory = memory_.data();
  for (int i = 0; i < kWritesPerDelta; ++i) {
    memory[position_] = static_cast<uint8_t>(memory[position_] + 1);
    position_ = (position_ + kStride + detour) % kMemoryBytes;
  }
  const uint64_t now = counter_();
  const uint64_t delta = now - last_;
  last_ = now;
  return delta;
}

absl::StatusOr<std::string> JitterDriver::Open() {
  memory_.assign(kMemoryBytes, 0);
  last_ = counter_();
  Delta();  // the first one pays for fresh pages
  std::map<uint64_t, int> counts;
  for (int i = 0; i < kOpenDeltas; ++i) {
    const uint64_t delta = Delta();
    if (delta == 0) {
      return absl::FailedPreconditionError(
          "open jitter: this machine's counter stands still during 256 memory accesses; remove the "
          "source");
    }
    ++counts[delta];
  }
  int alike = 0;
  for (const auto& [delta, count] : counts) alike = std::max(alike, count);
  if (alike > kMaxAlike) {
    return absl::FailedPreconditionError(
        absl::StrCat("open jitter: ", alike, " of ", kOpenDeltas,
                     " deltas are alike, the counter is too coarse or made up; remove the source"));
  }
  return std::string("timing jitter");
}

absl::StatusOr<size_t> JitterDriver::Read(absl::Span<uint8_t> out) {
  size_t done = 0;
  uint64_t word = 0;
  last_ = counter_();  // the pause since the last read is nobody's work
  while (done < out.size()) {
    word = 0;
    for (int i = 0; i < kDeltasPerWord; ++i) word = std::rotl(word, 7) ^ Delta();
    const size_t n = std::min(sizeof(word), out.size() - done);
    std::memcpy(out.data() + done, &word, n);
    done += n;
  }
  Wipe({reinterpret_cast<uint8_t*>(&word), sizeof(word)});
  return done;
}

}  // namespace entropyd
