// CTR_DRBG with AES-256, without derivation function (SP 800-90A 10.2.1), by OpenSSL.
//
//   auto provider = SeedProvider::Create().value();
//   auto drbg = CtrDrbg::Create(provider.get()).value();
//   drbg->Instantiate(seed, "entropyd pool default");
//   drbg->Generate(out, additional);
//
// Seeds come from the caller and from nowhere else, and every reseeding is the caller's doing:
// after a fork, or when OpenSSL wants a seed that is not there, Generate() fails.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crypto/seed_provider.h"

namespace entropyd {

class CtrDrbg {
 public:
  // seedlen: 384 bits of full entropy, since no derivation function would stretch less
  // (SP 800-90A table 3).
  static constexpr size_t kSeedBytes = 48;
  // Personalization and additional input are padded to seedlen, and may not exceed it.
  static constexpr size_t kMaxAdditionalBytes = 48;
  // 2^19 bits per request (SP 800-90A table 3); longer ones are served by several.
  static constexpr size_t kMaxRequestBytes = 65536;

  // REQUIRES: `provider` outlives it.
  static absl::StatusOr<std::unique_ptr<CtrDrbg>> Create(const SeedProvider* provider);
  ~CtrDrbg();
  CtrDrbg(const CtrDrbg&) = delete;
  CtrDrbg& operator=(const CtrDrbg&) = delete;

  // Errors of the three: INTERNAL; the DRBG gives nothing more until it is instantiated anew, and
  // what Generate() had written is cleansed. REQUIRES: seed is kSeedBytes long, the other inputs at
  // most kMaxAdditionalBytes; Instantiate() may be called again and starts from nothing.
  absl::Status Instantiate(absl::Span<const uint8_t> seed, absl::string_view personalization);
  absl::Status Reseed(absl::Span<const uint8_t> seed, absl::Span<const uint8_t> additional);
  absl::Status Generate(absl::Span<uint8_t> out, absl::Span<const uint8_t> additional);
  void Uninstantiate();

  bool instantiated() const { return instantiated_; }

  // Known answers of the CAVP (CTR_DRBG AES-256 no df, with and without reseeding), each with its
  // negative twin: a seed with one bit flipped must not give the answer, and a DRBG without a seed
  // must refuse. Errors: INTERNAL naming the test.
  static absl::Status SelfTest(const SeedProvider* provider);

 private:
  CtrDrbg(EVP_RAND_CTX* seed, EVP_RAND_CTX* drbg) : seed_(seed), drbg_(drbg) {}
  absl::Status Fail(const char* what);

  EVP_RAND_CTX* const seed_;
  EVP_RAND_CTX* const drbg_;
  bool instantiated_ = false;
};

}  // namespace entropyd
