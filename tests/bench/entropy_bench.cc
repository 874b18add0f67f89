// Measures how fast one core handles entropy on its way from a source to a reader: health tests,
// conditioning, DRBG. Prints one JSON line. MB/s are per second of the thread's CPU time.
//
//   bench_entropy health WORD_BYTES SECONDS        {"mb_per_second"}: raw bytes examined
//   bench_entropy lag WORD_BYTES SECONDS           the same with the replay detector
//   bench_entropy conditioning BITS SECONDS        {"mb_per_second", "function", "block_bits"}:
//                                                  samples in, each byte worth BITS
//   bench_entropy drbg REQUEST_BYTES SECONDS       {"ours", "reference"}: MB/s out, 32 bytes of
//                                                  additional input a request; the reference is
//                                                  OpenSSL's CTR-DRBG, called directly
//
// Samples are ideal and come in pieces of 4,096 bytes, as from a fast source.
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/crypto/drbg.h"
#include "base/crypto/seed_provider.h"
#include "server/health/health_monitor.h"
#include "server/pool/conditioner.h"

namespace entropyd {
namespace {

constexpr size_t kPiece = 4096;
// Samples repeat after so many bytes: far more than any health test remembers.
constexpr size_t kSamples = 16 << 20;
constexpr double kHealthMinEntropy = 4;
// Ours and the reference take turns this often within a run.
constexpr int kTurns = 10;

int64_t CpuNanos() {
  timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "bench_entropy: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T ValueOrDie(absl::StatusOr<T> value) {
  if (!value.ok()) Die(value.status().ToString());
  return *std::move(value);
}

// Runs `work` for that long and returns its MB/s. `work` returns how many bytes it handled.
template <typename Work>
double Speed(double seconds, Work work) {
  const int64_t begin = CpuNanos();
  const int64_t end = begin + static_cast<int64_t>(seconds * 1e9);
  uint64_t bytes = 0;
  int64_t now = begin;
  while (now < end) {
    for (int i = 0; i < 16; ++i) bytes += work();
    now = CpuNanos();
  }
  return static_cast<double>(bytes) * 1e3 / static_cast<double>(now - begin);
}

// Ideal samples, a piece at a time, for ever.
class Samples {
 public:
  Samples() : bytes_(kSamples) {
    std::mt19937_64 generator(1);
    for (size_t i = 0; i < kSamples; i += 8) {
      const uint64_t word = generator();
      for (size_t j = 0; j < 8; ++j) bytes_[i + j] = static_cast<uint8_t>(word >> (8 * j));
    }
  }
  absl::Span<const uint8_t> Next() {
    at_ = (at_ + kPiece) % kSamples;
    return {&bytes_[at_], kPiece};
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

void Health(int word_bytes, bool with_lag, double seconds) {
  const std::unique_ptr<SecretArena> arena =
      ValueOrDie(SecretArena::Create(2 << 20, SecretArena::Locking::kBestEffort));
  HealthMonitor test =
      ValueOrDie(HealthMonitor::Create({.min_entropy = kHealthMinEntropy, .word_bytes = word_bytes},
                                       with_lag ? arena.get() : nullptr));
  Samples samples;
  const auto work = [&] {
    const absl::optional<HealthMonitor::Alarm> alarm = test.Feed(samples.Next());
    if (alarm.has_value()) Die("ideal samples raised an alarm: " + alarm->ToString());
    return kPiece;
  };
  Speed(seconds / 10, work);
  std::printf("{\"mb_per_second\": %.1f}\n", Speed(seconds, work));
}

void Conditioning(double bits_per_byte, double seconds) {
  const std::unique_ptr<Conditioner> conditioner = ValueOrDie(Conditioner::Create(1));
  std::array<uint8_t, Conditioner::kBlockBytes> block;
  Samples samples;
  const auto work = [&] {
    absl::Span<const uint8_t> rest = samples.Next();
    while (!rest.empty()) {
      rest.remove_prefix(conditioner->Add(0, rest, bits_per_byte, /*fill=*/true));
      if (!conditioner->Ready()) continue;
      if (!conditioner->Finish(absl::MakeSpan(block)).ok()) Die("the hash failed");
    }
    return kPiece;
  };
  Speed(seconds / 10, work);
  std::printf("{\"mb_per_second\": %.1f, \"function\": \"SHA-512\", \"block_bits\": %zu}\n",
              Speed(seconds, work), 8 * block.size());
}

// OpenSSL's CTR-DRBG with AES-256, without derivation function, seeded by the operating system. It
// never reseeds itself here, so it does no more than ours.
class Reference {
 public:
  Reference() {
    EVP_RAND* rand = EVP_RAND_fetch(nullptr, "CTR-DRBG", nullptr);
    context_ = EVP_RAND_CTX_new(rand, nullptr);
    EVP_RAND_free(rand);
    int no_derivation_function = 0;
    unsigned no_reseed_requests = 0;
    time_t no_reseed_interval = 0;
    char cipher[] = "AES-256-CTR";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
        OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &no_derivation_function),
        OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_REQUESTS, &no_reseed_requests),
        OSSL_PARAM_construct_time_t(OSSL_DRBG_PARAM_RESEED_TIME_INTERVAL, &no_reseed_interval),
        OSSL_PARAM_construct_end()};
    if (EVP_RAND_instantiate(context_, 256, 0, nullptr, 0, params) != 1) Die("OpenSSL's DRBG");
  }
  ~Reference() { EVP_RAND_CTX_free(context_); }
  void Generate(absl::Span<uint8_t> out, absl::Span<const uint8_t> additional) {
    if (EVP_RAND_generate(context_, out.data(), out.size(), 256, 0, additional.data(),
                          additional.size()) != 1) {
      Die("OpenSSL's DRBG");
    }
  }

 private:
  EVP_RAND_CTX* context_;
};

void Drbg(size_t request, double seconds) {
  const std::unique_ptr<SeedProvider> provider = ValueOrDie(SeedProvider::Create());
  const std::unique_ptr<CtrDrbg> drbg = ValueOrDie(CtrDrbg::Create(provider.get()));
  const std::array<uint8_t, CtrDrbg::kSeedBytes> seed = {1, 2, 3};
  if (!drbg->Instantiate(seed, "bench").ok()) Die("our DRBG");
  Reference reference;
  const std::array<uint8_t, 32> additional = {4, 5, 6};
  std::vector<uint8_t> out(request);
  const auto ours = [&] {
    if (!drbg->Generate(absl::MakeSpan(out), additional).ok()) Die("our DRBG");
    return request;
  };
  const auto theirs = [&] {
    reference.Generate(absl::MakeSpan(out), additional);
    return request;
  };
  std::vector<double> our_speeds, their_speeds;
  Speed(seconds / 20, theirs);
  Speed(seconds / 20, ours);
  for (int turn = 0; turn < kTurns; ++turn) {
    their_speeds.push_back(Speed(seconds / kTurns / 2, theirs));
    our_speeds.push_back(Speed(seconds / kTurns / 2, ours));
  }
  const auto median = [](std::vector<double>* speeds) {
    std::nth_element(speeds->begin(), speeds->begin() + kTurns / 2, speeds->end());
    return (*speeds)[kTurns / 2];
  };
  std::printf("{\"ours\": %.1f, \"reference\": %.1f}\n", median(&our_speeds),
              median(&their_speeds));
}

int Main(int argc, char** argv) {
  double number = 0, seconds = 0;
  const std::string mode = argc == 4 ? argv[1] : "";
  if (argc != 4 || !absl::SimpleAtod(argv[2], &number) || !absl::SimpleAtod(argv[3], &seconds) ||
      number <= 0 || seconds <= 0) {
    std::fprintf(stderr, "usage: bench_entropy health|lag|conditioning|drbg NUMBER SECONDS\n");
    return 2;
  }
  if (mode == "health") {
    Health(static_cast<int>(number), /*with_lag=*/false, seconds);
  } else if (mode == "lag") {
    Health(static_cast<int>(number), /*with_lag=*/true, seconds);
  } else if (mode == "conditioning") {
    Conditioning(number, seconds);
  } else if (mode == "drbg") {
    Drbg(static_cast<size_t>(number), seconds);
  } else {
    std::fprintf(stderr, "bench_entropy: no '%s'\n", mode.c_str());
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
