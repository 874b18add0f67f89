#include "server/pool/pool_root.h"

#include <array>
#include <utility>

#include "base/crypto/secret_bytes.h"

namespace entropyd {

absl::StatusOr<PoolRoot> PoolRoot::Create(std::string pool, const SeedProvider* provider) {
  absl::StatusOr<std::unique_ptr<CtrDrbg>> drbg = CtrDrbg::Create(provider);
  if (!drbg.ok()) return drbg.status();
  absl::StatusOr<Sha512> mixed = Sha512::Create();
  if (!mixed.ok()) return mixed.status();
  return PoolRoot(std::move(pool), *std::move(drbg), *std::move(mixed));
}

absl::Status PoolRoot::Seed(absl::Span<const uint8_t> block) {
  const absl::Span<const uint8_t> seed = block.subspan(0, CtrDrbg::kSeedBytes);
  std::array<uint8_t, Sha512::kBytes> digest;
  mixed_.Update({reinterpret_cast<const uint8_t*>(pool_.data()), pool_.size()});
  mixed_.Update(block.subspan(CtrDrbg::kSeedBytes));
  absl::Status status = mixed_.Finish(absl::MakeSpan(digest));
  if (status.ok()) {
    const auto additional = absl::MakeConstSpan(digest).subspan(0, CtrDrbg::kMaxAdditionalBytes);
    status = seeded() ? drbg_->Reseed(seed, additional)
                      : drbg_->Instantiate(seed, {reinterpret_cast<const char*>(additional.data()),
                                                  additional.size()});
  }
  Wipe(absl::MakeSpan(digest));
  return status;
}

}  // namespace entropyd
