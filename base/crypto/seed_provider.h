// An OpenSSL provider whose only algorithm hands a DRBG the seed that was put there for it. It is
// the parent of every CTR_DRBG here, so that no path leads to the operating system's generator
// behind our back: a DRBG whose seed is used up fails instead.
//
// A private library context holds it and the default provider (for AES); nothing global changes.
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
  // Errors: INTERNAL when OpenSSL lacks CTR-DRBG or refuses the provider.
  static absl::StatusOr<std::unique_ptr<SeedProvider>> Create();
  ~SeedProvider();
  SeedProvider(const SeedProvider&) = delete;
  SeedProvider& operator=(const SeedProvider&) = delete;

  // A seed holder, and a CTR-DRBG below it (not instantiated). nullptr when memory is out.
  EVP_RAND_CTX* NewSeed() const;
  EVP_RAND_CTX* NewCtrDrbg(EVP_RAND_CTX* seed) const;

  // Puts the bytes of the next instantiation or reseeding into a holder: all of them are taken by
  // the first request that fits, once. An empty span takes back what was not used.
  static bool Load(EVP_RAND_CTX* seed, absl::Span<const uint8_t> bytes);

 private:
  SeedProvider() = default;
  OSSL_LIB_CTX* library_ = nullptr;
  OSSL_PROVIDER* default_provider_ = nullptr;
  OSSL_PROVIDER* seed_provider_ = nullptr;
  EVP_RAND* seed_ = nullptr;
  EVP_RAND* ctr_drbg_ = nullptr;
};

}  // namespace entropyd
