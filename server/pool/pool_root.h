// The root DRBG of a pool, and the samples of sources without credit since its last seed.
//
//   root.Mix(samples);                  // never counted
//   root.Seed(block);                   // 512 full-entropy bits of one group
//   root.Generate(seed, fresh);         // a seed for a reader
//
// The first 48 bytes of a block are the seed. The rest of the block, and all that was mixed in, go
// in as additional input, where they can help and cannot harm.
//
// Errors: INTERNAL; then the pool must stop.
//
// Thread safety: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/crypto/drbg.h"
#include "server/pool/conditioner.h"

namespace entropyd {

class PoolRoot {
 public:
  // `pool` is the pool's name. It makes its seeds different from those of other pools. Errors:
  // INTERNAL.
  static absl::StatusOr<PoolRoot> Create(std::string pool, const SeedProvider* provider);

  void Mix(absl::Span<const uint8_t> samples) { mixed_.Update(samples); }
  // Drops what was mixed in, because one of its sources has failed.
  void DropMixed() { mixed_.Restart(); }

  // Reseeds the DRBG. REQUIRES: a block of Conditioner::kBlockBytes. Errors: INTERNAL; then the
  // pool must stop.
  absl::Status Seed(absl::Span<const uint8_t> block);
  // Makes output. Errors: INTERNAL; then the pool must stop.
  absl::Status Generate(absl::Span<uint8_t> out, absl::Span<const uint8_t> additional) {
    return drbg_->Generate(out, additional);
  }

  // False before the first seed and after Destroy().
  bool seeded() const { return drbg_->instantiated(); }
  void Destroy() { drbg_->Uninstantiate(); }

 private:
  PoolRoot(std::string pool, std::unique_ptr<CtrDrbg> drbg, Sha512 mixed)
      : pool_(std::move(pool)), drbg_(std::move(drbg)), mixed_(std::move(mixed)) {}

  std::string pool_;
  std::unique_ptr<CtrDrbg> drbg_;
  Sha512 mixed_;
};

}  // namespace entropyd
