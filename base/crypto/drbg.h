// CTR_DRBG with AES-256 and without a derivation function (SP 800-90A 10.2.1), from OpenSSL.
//
//   auto provider = SeedProvider::Create().value();
//   auto drbg = CtrDrbg::Create(provider.get()).value();
//   drbg->Instantiate(seed, "entropyd pool default");
//   drbg->Generate(out, additional);
//
// All seeds come from the caller, and only the caller reseeds. Generate() fails after a fork, and
// when OpenSSL wants a seed that the caller did not give.
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
  // seedlen: 384 bits of full entropy. Without a derivation function nothing stretches a shorter
  // seed (SP 800-90A table 3).
  static constexpr size_t kSeedBytes = 48;
  // Personalization and additional input are padded to seedlen and may not be longer.
  static constexpr size_t kMaxAdditionalBytes = 48;
  // 2^19 bits per request (SP 800-90A table 3). Generate() splits a longer one.
  static constexpr size_t kMaxRequestBytes = 65536;

  // Not instantiated yet. Errors: INTERNAL. REQUIRES: `provider` outlives the DRBG.
  static absl::StatusOr<std::unique_ptr<CtrDrbg>> Create(const SeedProvider* provider);
  ~CtrDrbg();
  CtrDrbg(const CtrDrbg&) = delete;
  CtrDrbg& operator=(const CtrDrbg&) = delete;

  // Errors of the three: INTERNAL. After an error the DRBG gives nothing until it is instantiated
  // again, and what Generate() had written is wiped.
  // REQUIRES: seed has kSeedBytes, the other inputs at most kMaxAdditionalBytes.
  //
  // Instantiate() may be called again; then it starts from nothing.
  absl::Status Instantiate(absl::Span<const uint8_t> seed, absl::string_view personalization);
  absl::Status Reseed(absl::Span<const uint8_t> seed, absl::Span<const uint8_t> additional);
  absl::Status Generate(absl::Span<uint8_t> out, absl::Span<const uint8_t> additional);
  // Forgets the state and any seed that was not used.
  void Uninstantiate();

  bool instantiated() const { return instantiated_; }

  // Tests the known answers of the CAVP (CTR_DRBG AES-256 no df, with and without reseeding). Also
  // tests that a seed with one bit flipped does not give the answer, and that a DRBG without a seed
  // refuses. Errors: INTERNAL naming the test.
  static absl::Status SelfTest(const SeedProvider* provider);

 private:
  CtrDrbg(EVP_RAND_CTX* seed, EVP_RAND_CTX* drbg) : seed_(seed), drbg_(drbg) {}
  absl::Status Fail(const char* what);

  EVP_RAND_CTX* const seed_;
  EVP_RAND_CTX* const drbg_;
  bool instantiated_ = false;
};

}  // namespace entropyd
