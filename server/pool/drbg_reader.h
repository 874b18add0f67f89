// A reader of a pool: a child DRBG of its own, which the pool's root seeds.
//
//   DrbgReader reader(pool, host, CtrDrbg::Create(provider).value(), number);
//   absl::StatusOr<uint64_t> generation = reader.Read(out, epoch);
//
// The child takes a new seed after this many calls, after each new seed of the root, and when its
// own is older than the pool's interval. Each call mixes in 32 bytes of getrandom(2). For quality
// full the reader XORs its output with stored bytes of the pool, which leave the store.
//
// A reader of quality drbg takes the pool's lock only for a seed: what it must know at each call is
// published.
//
// Errors: as PoolReader::Read().
//
// Thread safety: a reader belongs to one thread at a time; PublishedState is safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crypto/drbg.h"
#include "base/process/clock.h"
#include "server/pool/block_statistic.h"
#include "server/pool/pool.h"

namespace entropyd {

// Copies of what a pool guards.
struct PublishedState {
  // Bytes may leave the pool before this moment …
  std::atomic<int64_t> ready_until{0};
  // … those that were planned under this epoch …
  std::atomic<uint64_t> epoch{0};
  // … and while fewer than max_bytes_per_seed have left since the last seed.
  std::atomic<uint64_t> bytes_since_seed{0};
  std::atomic<uint64_t> generation{0};
  std::atomic<int64_t> reseed_interval{0};
  uint64_t max_bytes_per_seed = 0;
};

class DrbgReader final : public PoolReader {
 public:
  static constexpr uint32_t kCallsPerSeed = 4096;

  // What a reader asks of the pool's inside.
  class Host {
   public:
    virtual ~Host() = default;
    virtual const PublishedState& published() const = 0;
    // Fills `seed` from the root and returns the root's generation. `fresh` is mixed in. Errors:
    // UNAVAILABLE (not seeded), INTERNAL.
    virtual absl::StatusOr<uint64_t> DrawSeed(absl::Span<uint8_t> seed,
                                              absl::Span<const uint8_t> fresh) = 0;
    // XORs stored bytes into `out`, which leave the store; or takes none. Errors: UNAVAILABLE.
    virtual absl::Status TakeStored(absl::Span<uint8_t> out) = 0;
    virtual void CountDelivered(size_t bytes, const BlockStatistic::Tally& examined) = 0;
    // Stops the pool for good.
    virtual void Fail(absl::string_view reason) = 0;
  };

  // `pool`, `host` (the same pool) and `clock` outlive the reader. `child` may be null: OpenSSL
  // gave none, and the first read stops the pool. Each reader of the pool has another `number`.
  DrbgReader(const Pool* pool, Host* host, const Clock* clock, std::unique_ptr<CtrDrbg> child,
             uint64_t number)
      : pool_(pool), host_(host), clock_(clock), number_(number), child_(std::move(child)) {}

  absl::StatusOr<uint64_t> Read(absl::Span<uint8_t> out, uint64_t epoch) override;

 private:
  // OK, or why bytes that were planned under this epoch may not leave now.
  absl::Status Admit(uint64_t epoch, int64_t now) const;
  absl::Status Fill(absl::Span<uint8_t> out, uint64_t epoch);
  absl::Status Seed(int64_t now);

  const Pool* const pool_;
  Host* const host_;
  const Clock* const clock_;
  const uint64_t number_;
  const std::unique_ptr<CtrDrbg> child_;
  // Of the root, when the child was seeded last.
  uint64_t generation_ = 0;
  // Since then.
  uint32_t calls_ = 0;
  int64_t seeded_at_ = 0;
  // On what was delivered.
  BlockStatistic statistic_;
};

}  // namespace entropyd
