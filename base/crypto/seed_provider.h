// An OpenSSL provider with one algorithm: it gives a DRBG the seed that Load() put there for it. It
// is the parent of every CTR_DRBG of ours. So OpenSSL never takes a seed from the operating system
// without being told: a DRBG whose seed is used up fails instead.
//
//   EVP_RAND_CTX* seed = provider->NewSeed();
//   EVP_RAND_CTX* drbg = provider->NewCtrDrbg(seed);
//   SeedProvider::Load(seed, bytes);   // the next instantiation or reseeding takes them
//
// A private library context holds it and the default provider (for AES). Nothing global changes.
//
// Thread safety: SeedProvider is safe after Create(); a RAND context belongs to one thread at a
// time.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

typedef struct ossl_lib_ctx_st OSSL_LIB_CTX;
typedef struct ossl_provider_st OSSL_PROVIDER;
typedef struct evp_rand_st EVP_RAND;
typedef struct evp_rand_ctx_st EVP_RAND_CTX;

namespace entropyd {

class SeedProvider {
 public:
  // The security strength of its seeds, and of a CTR-DRBG with AES-256 (SP 800-90A table 3).
  static constexpr unsigned kStrengthBits = 256;

  // Errors: INTERNAL when OpenSSL lacks CTR-DRBG or refuses the provider.
  static absl::StatusOr<std::unique_ptr<SeedProvider>> Create();
  ~SeedProvider();
  SeedProvider(const SeedProvider&) = delete;
  SeedProvider& operator=(const SeedProvider&) = delete;

  // A seed holder, and a CTR-DRBG below it (not instantiated). nullptr when OpenSSL refuses. The
  // caller frees them (EVP_RAND_CTX_free).
  EVP_RAND_CTX* NewSeed() const;
  EVP_RAND_CTX* NewCtrDrbg(EVP_RAND_CTX* seed) const;

  // Puts the bytes for the next instantiation or reseeding into a holder. The first request that
  // fits takes all of them, once. An empty span removes what was not used. False when `bytes` is
  // too long.
  static bool Load(EVP_RAND_CTX* seed, absl::Span<const uint8_t> bytes);

 private:
  // Filled by Create(), constant afterwards.
  SeedProvider() = default;
  OSSL_LIB_CTX* library_ = nullptr;
  OSSL_PROVIDER* default_provider_ = nullptr;
  OSSL_PROVIDER* seed_provider_ = nullptr;
  EVP_RAND* seed_ = nullptr;
  EVP_RAND* ctr_drbg_ = nullptr;
};

}  // namespace entropyd
