#include "server/supply/known_answers.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/drbg.h"
#include "server/health/health_monitor.h"
#include "server/pool/conditioner.h"

namespace entropyd {
namespace {

absl::Status Failed(absl::string_view test, absl::string_view why) {
  return absl::InternalError(absl::StrCat("self-test ", test, ": ", why));
}

absl::Status TestSha512() {
  // FIPS 180-4, example "abc".
  const std::string want = absl::HexStringToBytes(
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  absl::StatusOr<Sha512> hash = Sha512::Create();
  if (!hash.ok()) return hash.status();
  for (const char* message : {"abc", "abd"}) {
    std::array<uint8_t, Sha512::kBytes> digest;
    hash->Update({reinterpret_cast<const uint8_t*>(message), 3});
    if (absl::Status status = hash->Finish(absl::MakeSpan(digest)); !status.ok()) return status;
    const bool same = std::memcmp(digest.data(), want.data(), digest.size()) == 0;
    if (same != (message == std::string("abc"))) {
      return Failed("SHA-512", same ? "another message gives the same digest" : "wrong digest");
    }
  }
  return absl::OkStatus();
}

// Samples that look ideal, the same every time.
class IdealBytes {
 public:
  static absl::StatusOr<IdealBytes> Create(const SeedProvider* provider) {
    absl::StatusOr<std::unique_ptr<CtrDrbg>> drbg = CtrDrbg::Create(provider);
    if (!drbg.ok()) return drbg.status();
    const std::array<uint8_t, CtrDrbg::kSeedBytes> seed{};
    if (absl::Status status = (*drbg)->Instantiate(seed, "self-test"); !status.ok()) return status;
    std::vector<uint8_t> bytes(kBytes);
    if (absl::Status s = (*drbg)->Generate(absl::MakeSpan(bytes), {}); !s.ok()) return s;
    return IdealBytes(std::move(bytes));
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  // Windows of every width, several times.
  static constexpr size_t kBytes = 32 * 1024;
  explicit IdealBytes(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  std::vector<uint8_t> bytes_;
};

struct Fault {
  const char* name;
  HealthMonitor::Test alarm;
  // The fault begins at this byte, in the second half; `i` counts from the fault.
  std::function<uint8_t(const std::vector<uint8_t>& ideal, size_t at, size_t i)> byte;
  size_t within;  // bytes
};

absl::Status TestHealth(const SeedProvider* provider, SecretArena* arena) {
  const absl::StatusOr<IdealBytes> ideal = IdealBytes::Create(provider);
  if (!ideal.ok()) return ideal.status();
  const std::vector<uint8_t>& bytes = ideal->bytes();
  const size_t start = bytes.size() / 2;
  // H = 4 bits per byte, samples of one byte. The alarms come at a run of 9, a replay of 14, and 72
  // equal samples in a window of 512.
  const HealthMonitor::Options options = {.min_entropy = 4, .word_bytes = 1};
  const Fault faults[] = {
      {"stuck", HealthMonitor::Test::kRct, [](const auto&, size_t, size_t) { return uint8_t{0}; },
       9},
      {"biased", HealthMonitor::Test::kApt,
       [](const auto& b, size_t at, size_t i) { return i % 4 == 0 ? uint8_t{7} : b[at]; },
       2 * kAptWindow},
      {"replayed", HealthMonitor::Test::kReplay,
       [](const auto& b, size_t at, size_t) { return b[at - 1000]; }, 14},
  };
  absl::StatusOr<HealthMonitor> test = HealthMonitor::Create(options, arena);
  if (!test.ok()) return test.status();
  if (test->Feed(bytes)) return Failed("health", "an alarm on sound samples");
  for (const Fault& fault : faults) {
    test->Forget();
    if (test->Feed(absl::MakeConstSpan(bytes).first(start))) {
      return Failed("health", "an alarm on sound samples");
    }
    absl::optional<HealthMonitor::Alarm> alarm;
    for (size_t i = 0; i < fault.within && !alarm; ++i) {
      const uint8_t byte = fault.byte(bytes, start + i, i);
      alarm = test->Feed({&byte, 1});
    }
    if (!alarm) return Failed("health", absl::StrCat("no alarm on ", fault.name, " samples"));
    if (alarm->test != fault.alarm) {
      return Failed("health", absl::StrCat(fault.name, " samples raised ", alarm->ToString()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> RunSelfTests(const SeedProvider* provider,
                                                      SecretArena* arena) {
  if (absl::Status status = CtrDrbg::SelfTest(provider); !status.ok()) return status;
  if (absl::Status status = TestSha512(); !status.ok()) return status;
  if (absl::Status status = TestHealth(provider, arena); !status.ok()) return status;
  return std::vector<std::string>{"CTR_DRBG", "SHA-512", "health"};
}

}  // namespace entropyd
