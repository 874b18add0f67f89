#include "base/crypto/drbg.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/crypto/secret_bytes.h"

namespace entropyd {
namespace {

// One record of the CAVP's DRBGVS response files: CTR_DRBG.rsp, section [AES-256 no df], no
// prediction resistance, no additional input. The test instantiates, reseeds if there is a second
// entropy input, and generates 512 bits twice; the second output is `returned`.
struct KnownAnswer {
  const char* name;
  const char* entropy_input;
  const char* entropy_input_reseed;  // "" = no reseeding
  const char* returned;
};

constexpr KnownAnswer kKnownAnswers[] = {
    {"CTR_DRBG no_reseed",
     "df5d73faa468649edda33b5cca79b0b05600419ccb7a879d"
     "dfec9db32ee494e5531b51de16a30f769262474c73bec010",
     "",
     "d1c07cd95af8a7f11012c84ce48bb8cb87189e99d40fccb1771c619bdf82ab22"
     "80b1dc2f2581f39164f7ac0c510494b3a43c41b7db17514c87b107ae793e01c5"},
    {"CTR_DRBG pr_false",
     "e4bc23c5089a19d86f4119cb3fa08c0a4991e0a1def17e10"
     "1e4c14d9c323460a7c2fb58e0b086c6c57b55f56cae25bad",
     "fd85a836bba85019881e8c6bad23c9061adc75477659acae"
     "a8e4a01dfe07a1832dad1c136f59d70f8653a5dc118663d6",
     "b2cb8905c05e5950ca31895096be29ea3d5a3b82b269495554eb80fe07de43e1"
     "93b9e7c3ece73b80e062b1c1f68202fbb1c52a040ea2478864295282234aaada"},
};

absl::Span<const uint8_t> Bytes(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

absl::StatusOr<std::string> Run(CtrDrbg* drbg, const std::string& seed, const std::string& reseed) {
  absl::Status status = drbg->Instantiate(Bytes(seed), "");
  if (status.ok() && !reseed.empty()) status = drbg->Reseed(Bytes(reseed), {});
  std::array<uint8_t, 64> out;
  for (int i = 0; i < 2 && status.ok(); ++i) status = drbg->Generate(absl::MakeSpan(out), {});
  if (!status.ok()) return status;
  return std::string(reinterpret_cast<const char*>(out.data()), out.size());
}

absl::Status RunKnownAnswer(CtrDrbg* drbg, const KnownAnswer& answer) {
  std::string seed = absl::HexStringToBytes(answer.entropy_input);
  std::string reseed = absl::HexStringToBytes(answer.entropy_input_reseed);
  const std::string returned = absl::HexStringToBytes(answer.returned);
  absl::StatusOr<std::string> got = Run(drbg, seed, reseed);
  if (!got.ok()) return got.status();
  if (*got != returned) {
    return absl::InternalError(absl::StrCat("self-test ", answer.name, ": wrong answer"));
  }
  std::string& last_input = reseed.empty() ? seed : reseed;
  last_input.back() = static_cast<char>(last_input.back() ^ 1);
  got = Run(drbg, seed, reseed);
  if (!got.ok()) return got.status();
  if (*got == returned) {
    return absl::InternalError(
        absl::StrCat("self-test ", answer.name, ": another seed gives the same answer"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CtrDrbg>> CtrDrbg::Create(const SeedProvider* provider) {
  EVP_RAND_CTX* seed = provider->NewSeed();
  EVP_RAND_CTX* drbg = seed == nullptr ? nullptr : provider->NewCtrDrbg(seed);
  std::unique_ptr<CtrDrbg> result(new CtrDrbg(seed, drbg));
  if (drbg == nullptr) {
    ERR_clear_error();
    return absl::InternalError("create DRBG: OpenSSL refused");
  }
  return result;
}

CtrDrbg::~CtrDrbg() {
  EVP_RAND_CTX_free(drbg_);
  EVP_RAND_CTX_free(seed_);
}

absl::Status CtrDrbg::Fail(const char* what) {
  Uninstantiate();
  ERR_clear_error();
  return absl::InternalError(absl::StrCat(what, " DRBG: OpenSSL refused"));
}

void CtrDrbg::Uninstantiate() {
  if (drbg_ != nullptr) EVP_RAND_uninstantiate(drbg_);
  if (seed_ != nullptr) SeedProvider::Load(seed_, {});
  instantiated_ = false;
}

absl::Status CtrDrbg::Instantiate(absl::Span<const uint8_t> seed,
                                  absl::string_view personalization) {
  Uninstantiate();
  int no_derivation_function = 0;
  // OpenSSL's own reseeding is off, because it would find no seed. The owner counts and reseeds.
  unsigned no_reseed_requests = 0;
  time_t no_reseed_interval = 0;
  char cipher[] = "AES-256-CTR";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
      OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &no_derivation_function),
      OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_REQUESTS, &no_reseed_requests),
      OSSL_PARAM_construct_time_t(OSSL_DRBG_PARAM_RESEED_TIME_INTERVAL, &no_reseed_interval),
      OSSL_PARAM_construct_end()};
  if (seed.size() != kSeedBytes || !SeedProvider::Load(seed_, seed) ||
      EVP_RAND_instantiate(drbg_, SeedProvider::kStrengthBits, 0,
                           reinterpret_cast<const unsigned char*>(personalization.data()),
                           personalization.size(), params) != 1) {
    return Fail("instantiate");
  }
  instantiated_ = true;
  return absl::OkStatus();
}

absl::Status CtrDrbg::Reseed(absl::Span<const uint8_t> seed, absl::Span<const uint8_t> additional) {
  if (!instantiated_ || seed.size() != kSeedBytes || !SeedProvider::Load(seed_, seed) ||
      EVP_RAND_reseed(drbg_, 0, nullptr, 0, additional.data(), additional.size()) != 1) {
    return Fail("reseed");
  }
  return absl::OkStatus();
}

absl::Status CtrDrbg::Generate(absl::Span<uint8_t> out, absl::Span<const uint8_t> additional) {
  absl::Span<uint8_t> rest = out;
  while (!rest.empty()) {
    const size_t n = std::min(rest.size(), kMaxRequestBytes);
    if (!instantiated_ || EVP_RAND_generate(drbg_, rest.data(), n, SeedProvider::kStrengthBits, 0,
                                            additional.data(), additional.size()) != 1) {
      Wipe(out);
      return Fail("generate from");
    }
    rest.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status CtrDrbg::SelfTest(const SeedProvider* provider) {
  absl::StatusOr<std::unique_ptr<CtrDrbg>> drbg = Create(provider);
  if (!drbg.ok()) return drbg.status();
  for (const KnownAnswer& answer : kKnownAnswers) {
    if (absl::Status status = RunKnownAnswer(drbg->get(), answer); !status.ok()) return status;
  }
  (*drbg)->Uninstantiate();
  std::array<uint8_t, 16> out;
  if ((*drbg)->Generate(absl::MakeSpan(out), {}).ok()) {
    return absl::InternalError("self-test CTR_DRBG: a DRBG without a seed gave bytes");
  }
  return absl::OkStatus();
}

}  // namespace entropyd
