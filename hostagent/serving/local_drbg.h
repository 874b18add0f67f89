// The DRBG of this host that gives a class its bytes in a loss of upstream: a CTR_DRBG AES-256.
//
// Its seed is 48 bytes that came from upstream before the loss and were set aside, XORed with 48 of
// the kernel's. Each output mixes in 32 more of the kernel's. When a new seed is complete, the DRBG
// of the last loss is forgotten.
//
// It gives no more than the ceiling that the server last announced for the class: a guest must not
// get more bytes while the server is gone than it gets from the server. Tokens flow in from the
// moment of the loss.
//
//   auto drbg = LocalDrbg::Create("default/gold", provider, kernel, &arena, &clock).value();
//   buffer->Append(bytes.subspan(drbg->SetAside(bytes)));
//   if (drbg->ready() && drbg->Begin().ok()) drbg->Generate(out.first(drbg->Room()));
//
// Errors: of Create(), Begin() and Generate().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/class_tree/token_bucket.h"
#include "base/crypto/drbg.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/seed_provider.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "hostagent/serving/kept_seed.h"

namespace entropyd {

class LocalDrbg {
 public:
  // The most that one pass takes: as much as a guest's socket takes at once.
  static constexpr size_t kPassBytes = 64 * 1024;
  // A guest that waits for the ceiling gets this much at once, if it wants that much: a request of
  // a Linux guest. A fast class gives more at once, because it pauses between two passes.
  static constexpr size_t kGrantBytes = 64;
  static constexpr int64_t kPauseNanos = 10 * kMillisecondNanos;
  static constexpr size_t kStirBytes = 32;
  // Used of an arena.
  static constexpr size_t kArenaBytes = KeptSeed::kArenaBytes;

  // Fills all of the span with the kernel's bytes; false = there are none.
  using Kernel = std::function<bool(absl::Span<uint8_t>)>;
  // Arena and clock outlive it. Errors: RESOURCE_EXHAUSTED (arena), INTERNAL (OpenSSL refuses a
  // DRBG).
  static absl::StatusOr<std::unique_ptr<LocalDrbg>> Create(
      const std::string& class_name, std::shared_ptr<const SeedProvider> provider, Kernel kernel,
      SecretArena* arena, const Clock* clock);
  LocalDrbg(const LocalDrbg&) = delete;
  LocalDrbg& operator=(const LocalDrbg&) = delete;

  // Sets bytes from upstream aside for the next seed, if one is due. Returns how many it took from
  // the front of `bytes`.
  size_t SetAside(absl::Span<const uint8_t> bytes);
  // There is a seed, or a DRBG that goes on.
  bool ready() const { return drbg_->instantiated() || seed_.complete(); }
  // A loss has begun. One that upstream ended before a seed was complete goes on. Errors: of
  // KeptSeed::Instantiate(); all is forgotten then. REQUIRES: ready().
  absl::Status Begin();
  // Fills `out`. It does not look at the ceiling. Errors: UNAVAILABLE (the kernel gives nothing),
  // of CtrDrbg::Generate(); the DRBG is forgotten then. REQUIRES: Begin() was OK.
  absl::Status Generate(absl::Span<uint8_t> out);
  // Wipes the seed, and the DRBG that came from the last one.
  void Forget();

  // In bytes/s; 0 = none.
  void SetCeil(uint64_t ceil);
  // What one pass may take now.
  size_t Room() const;
  // What one Take() of `wanted` bytes may take now: without a ceiling all of it.
  size_t RoomFor(size_t wanted);
  // When a guest that waits for `owed` bytes may get the next ones. It may be a time that has
  // passed.
  int64_t NextNanos(uint64_t owed) const;

  // That it has given, ever.
  uint64_t bytes() const { return bytes_; }

 private:
  LocalDrbg(const std::string& class_name, std::shared_ptr<const SeedProvider> provider,
            Kernel kernel, const Clock* clock);

  const std::string personalization_;
  const std::shared_ptr<const SeedProvider> provider_;
  const Kernel kernel_;
  const Clock* const clock_;
  KeptSeed seed_;
  std::unique_ptr<CtrDrbg> drbg_;
  uint64_t bytes_ = 0;
  // In bytes/s; 0 = none.
  uint64_t ceil_ = 0;
  // Its depth is a second of ceil_.
  TokenBucket tokens_;
  // When it last gave bytes.
  int64_t generated_at_ = 0;
};

}  // namespace entropyd
