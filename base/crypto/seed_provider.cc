#include "base/crypto/seed_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <cstring>

namespace entropyd {
namespace {

constexpr char kProvider[] = "entropyd";
constexpr char kSeedRand[] = "ENTROPYD-SEED";
constexpr char kSeedParam[] = "seed";
constexpr size_t kMaxSeedBytes = 64;
// The algorithm's context. Its functions have the signatures of openssl/core_dispatch.h.
struct Seed {
  unsigned char bytes[kMaxSeedBytes];
  size_t size = 0;
  int state = EVP_RAND_STATE_UNINITIALISED;
};

void* NewSeedContext(void*, void*, const OSSL_DISPATCH*) { return new Seed(); }

void FreeSeedContext(void* context) {
  auto* seed = static_cast<Seed*>(context);
  if (seed == nullptr) return;
  OPENSSL_cleanse(seed->bytes, sizeof(seed->bytes));
  delete seed;
}

int Instantiate(void* context, unsigned, int, const unsigned char*, size_t, const OSSL_PARAM*) {
  static_cast<Seed*>(context)->state = EVP_RAND_STATE_READY;
  return 1;
}

int Uninstantiate(void* context) {
  auto* seed = static_cast<Seed*>(context);
  OPENSSL_cleanse(seed->bytes, sizeof(seed->bytes));
  seed->size = 0;
  seed->state = EVP_RAND_STATE_UNINITIALISED;
  return 1;
}

// Seeds are handed out by GetSeed() alone.
int Generate(void*, unsigned char*, size_t, unsigned, int, const unsigned char*, size_t) {
  return 0;
}

size_t GetSeed(void* context, unsigned char** out, int, size_t min_bytes, size_t max_bytes, int,
               const unsigned char*, size_t) {
  auto* seed = static_cast<Seed*>(context);
  if (seed->size == 0 || seed->size < min_bytes || seed->size > max_bytes) return 0;
  *out = seed->bytes;
  const size_t size = seed->size;
  seed->size = 0;
  return size;
}

void ClearSeed(void*, unsigned char* bytes, size_t size) { OPENSSL_cleanse(bytes, size); }

int GetParams(void* context, OSSL_PARAM params[]) {
  OSSL_PARAM* p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
  if (p != nullptr && !OSSL_PARAM_set_int(p, static_cast<Seed*>(context)->state)) return 0;
  p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
  if (p != nullptr && !OSSL_PARAM_set_uint(p, SeedProvider::kStrengthBits)) return 0;
  p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);
  if (p != nullptr && !OSSL_PARAM_set_size_t(p, kMaxSeedBytes)) return 0;
  return 1;
}

const OSSL_PARAM* GettableParams(void*, void*) {
  static const OSSL_PARAM kParams[] = {OSSL_PARAM_int(OSSL_RAND_PARAM_STATE, nullptr),
                                       OSSL_PARAM_uint(OSSL_RAND_PARAM_STRENGTH, nullptr),
                                       OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, nullptr),
                                       OSSL_PARAM_END};
  return kParams;
}

int SetParams(void* context, const OSSL_PARAM params[]) {
  auto* seed = static_cast<Seed*>(context);
  const OSSL_PARAM* p = OSSL_PARAM_locate_const(params, kSeedParam);
  if (p == nullptr) return 1;
  if (p->data_type != OSSL_PARAM_OCTET_STRING || p->data_size > kMaxSeedBytes) return 0;
  OPENSSL_cleanse(seed->bytes, sizeof(seed->bytes));
  if (p->data_size > 0) std::memcpy(seed->bytes, p->data, p->data_size);
  seed->size = p->data_size;
  return 1;
}

const OSSL_PARAM* SettableParams(void*, void*) {
  static const OSSL_PARAM kParams[] = {OSSL_PARAM_octet_string(kSeedParam, nullptr, 0),
                                       OSSL_PARAM_END};
  return kParams;
}

template <typename Function>
constexpr auto Entry(int id, Function* function) {
  return OSSL_DISPATCH{id, reinterpret_cast<void (*)()>(function)};
}

const OSSL_ALGORITHM* QueryOperation(void*, int operation, int* no_cache) {
  static const OSSL_DISPATCH kFunctions[] = {
      Entry(OSSL_FUNC_RAND_NEWCTX, NewSeedContext),
      Entry(OSSL_FUNC_RAND_FREECTX, FreeSeedContext),
      Entry(OSSL_FUNC_RAND_INSTANTIATE, Instantiate),
      Entry(OSSL_FUNC_RAND_UNINSTANTIATE, Uninstantiate),
      Entry(OSSL_FUNC_RAND_GENERATE, Generate),
      Entry(OSSL_FUNC_RAND_GET_SEED, GetSeed),
      Entry(OSSL_FUNC_RAND_CLEAR_SEED, ClearSeed),
      Entry(OSSL_FUNC_RAND_GET_CTX_PARAMS, GetParams),
      Entry(OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, GettableParams),
      Entry(OSSL_FUNC_RAND_SET_CTX_PARAMS, SetParams),
      Entry(OSSL_FUNC_RAND_SETTABLE_CTX_PARAMS, SettableParams),
      {0, nullptr},
  };
  static const OSSL_ALGORITHM kAlgorithms[] = {
      {kSeedRand, "provider=entropyd", kFunctions, "conditioned bytes of entropyd's sources"},
      {nullptr, nullptr, nullptr, nullptr},
  };
  *no_cache = 0;
  return operation == OSSL_OP_RAND ? kAlgorithms : nullptr;
}

int InitProvider(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH*, const OSSL_DISPATCH** out,
                 void** context) {
  static const OSSL_DISPATCH kFunctions[] = {
      Entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, QueryOperation),
      {0, nullptr},
  };
  *out = kFunctions;
  *context = const_cast<OSSL_CORE_HANDLE*>(handle);
  return 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SeedProvider>> SeedProvider::Create() {
  std::unique_ptr<SeedProvider> provider(new SeedProvider());
  provider->library_ = OSSL_LIB_CTX_new();
  if (provider->library_ == nullptr ||
      OSSL_PROVIDER_add_builtin(provider->library_, kProvider, InitProvider) != 1) {
    return absl::InternalError("set up OpenSSL: no library context of our own");
  }
  provider->seed_provider_ = OSSL_PROVIDER_load(provider->library_, kProvider);
  provider->default_provider_ = OSSL_PROVIDER_load(provider->library_, "default");
  provider->seed_ = EVP_RAND_fetch(provider->library_, kSeedRand, nullptr);
  provider->ctr_drbg_ = EVP_RAND_fetch(provider->library_, "CTR-DRBG", nullptr);
  if (provider->seed_ == nullptr || provider->ctr_drbg_ == nullptr) {
    return absl::InternalError("set up OpenSSL: CTR-DRBG is missing from the default provider");
  }
  return provider;
}

SeedProvider::~SeedProvider() {
  EVP_RAND_free(ctr_drbg_);
  EVP_RAND_free(seed_);
  if (seed_provider_ != nullptr) OSSL_PROVIDER_unload(seed_provider_);
  if (default_provider_ != nullptr) OSSL_PROVIDER_unload(default_provider_);
  OSSL_LIB_CTX_free(library_);
}

EVP_RAND_CTX* SeedProvider::NewSeed() const { return EVP_RAND_CTX_new(seed_, nullptr); }

EVP_RAND_CTX* SeedProvider::NewCtrDrbg(EVP_RAND_CTX* seed) const {
  return EVP_RAND_CTX_new(ctr_drbg_, seed);
}

bool SeedProvider::Load(EVP_RAND_CTX* seed, absl::Span<const uint8_t> bytes) {
  static unsigned char no_bytes[1];
  unsigned char* data = bytes.empty() ? no_bytes : const_cast<unsigned char*>(bytes.data());
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(kSeedParam, data, bytes.size()),
                               OSSL_PARAM_construct_end()};
  return EVP_RAND_CTX_set_params(seed, params) == 1;
}

}  // namespace entropyd
