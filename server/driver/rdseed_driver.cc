#include "server/driver/rdseed_driver.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

constexpr char kCpuinfo[] = "/proc/cpuinfo";

// When 96 % of the tries fail, 1,024 tries fail together once in 10^18 words. More tries would only
// hide a processor that has stopped.
constexpr int kMaxTries = 1024;

// 8 words: at about 25 µs per word a read takes 0.2 ms.
constexpr size_t kReadBytes = 64;

// 128 kbit/s of credit. Reading costs about a tenth of a core while a pool wants bytes, and all
// cores of the processor share one generator.
constexpr uint64_t kDefaultMaxRate = 32 << 10;

// Open() compares this many words, because a processor after a faulty resume repeats one value for
// ever.
constexpr int kOpenWords = 8;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

#if defined(__x86_64__)
__attribute__((target("rdseed"))) bool DrawOnce(uint64_t* word) {
  unsigned long long value;
  if (_rdseed64_step(&value) == 0) return false;
  *word = value;
  return true;
}
#endif

// The first processor's flags stand for all: the kernel clears a faulty one on every core.
bool KernelTrustsRdseed(const std::string& cpuinfo) {
  std::ifstream file(cpuinfo);
  for (std::string line; std::getline(file, line);) {
    if (!absl::StartsWith(line, "flags")) continue;
    const std::vector<std::string> flags = absl::StrSplit(line, absl::ByAnyChar(" \t:"));
    return std::find(flags.begin(), flags.end(), "rdseed") != flags.end();
  }
  return false;
}

}  // namespace

RdseedDriver::Draw RdseedDriver::ProcessorDraw() {
#if defined(__x86_64__)
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_RDSEED) != 0) return DrawOnce;
#endif
  return nullptr;
}

SourceIdentity RdseedDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "cpu";
  claims.min_entropy = 4;
  claims.health_min_entropy = 4;
  claims.word_bytes = 8;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = kRootCpu;
  return identity;
}

std::unique_ptr<SourceDriver> RdseedDriver::Create(const config::v1::SourceConfig&,
                                                   const SourceIdentity&) {
  return std::make_unique<RdseedDriver>(ProcessorDraw(), kCpuinfo);
}

RdseedDriver::RdseedDriver(Draw get, std::string cpuinfo)
    : get_(get), cpuinfo_(std::move(cpuinfo)) {}

bool RdseedDriver::DrawWithRetries(uint64_t* word) const {
  for (int i = 0; i < kMaxTries; ++i) {
    if (get_(word)) return true;
    Pause();
  }
  return false;
}

absl::StatusOr<std::string> RdseedDriver::Open() {
  if (get_ == nullptr) {
    return absl::NotFoundError(
        "open rdseed: this processor has no RDSEED (CPUID); remove the source, or use driver "
        "rdrand");
  }
  if (!KernelTrustsRdseed(cpuinfo_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "open rdseed: the processor shows RDSEED, but the kernel does not list it in ", cpuinfo_,
        ", as it does where the instruction is known to be faulty; update firmware, microcode and "
        "kernel, or remove the source (driver rdrand needs no RDSEED)"));
  }
  uint64_t first = 0, word = 0;
  bool differs = false;
  for (int i = 0; i < kOpenWords; ++i) {
    if (!DrawWithRetries(&word)) {
      return absl::UnavailableError(absl::StrCat("open rdseed: no value after ", kMaxTries,
                                                 " tries; the source is tried again"));
    }
    if (i == 0) first = word;
    differs |= word != first;
  }
  if (!differs) {
    return absl::FailedPreconditionError(
        "open rdseed: the processor repeats one value; update its microcode or remove the source");
  }
  return std::string("RDSEED");
}

absl::StatusOr<size_t> RdseedDriver::Read(absl::Span<uint8_t> out) {
  size_t done = 0;
  uint64_t word;
  while (done < out.size() && DrawWithRetries(&word)) {
    const size_t n = std::min(sizeof(word), out.size() - done);
    std::memcpy(out.data() + done, &word, n);
    done += n;
  }
  Wipe({reinterpret_cast<uint8_t*>(&word), sizeof(word)});
  return done;
}

}  // namespace entropyd
