// A class buffer that knows what becomes of its guests when upstream is lost: `on_upstream_loss`.
//
//   block   guests wait
//   local   a CTR_DRBG AES-256 of this host serves on: when upstream is gone, the buffer is empty
//           and a guest waits
//
// The DRBG's seed is 48 bytes that came from upstream before the loss and were set aside, XORed
// with 48 of the kernel's; each of its outputs stirs in 32 more of the kernel's. Its output never
// enters the buffer, and ends with the first bytes from upstream. From those a fresh seed is set
// aside, and when it is complete the DRBG of the last loss is forgotten.
//
// Refused, and said aloud, for a class of a pool of quality `full`: who pays for full-entropy bytes
// must not get others. Without a seed (no byte ever came, or what came was to be discarded) a class
// blocks, too. Whoever fills the buffer uses level(), whoever empties it available().
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
#include "base/crypto/drbg.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/seed_provider.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "hostagent/serving/class_buffer.h"

namespace entropyd {

class LocalFallback final : public ClassBuffer {
 public:
  enum class Mode {
    kUpstream,  // the buffer serves, or nobody waits, or upstream takes its time
    kLocal,     // the DRBG serves
    kBlocked,   // guests wait for an upstream that is gone
  };
  // As in metrics and status.
  static const char* ModeName(Mode mode);

  // What one pass may take from the DRBG: as much as a guest's socket takes at once.
  static constexpr size_t kLocalPassBytes = 64 * 1024;
  static constexpr size_t kStirBytes = 32;
  // Of an arena, beside those of the buffer: the seed, and the seed that it is mixed into.
  static constexpr size_t kArenaBytes = 2 * 64;
  // A seed that lies about is renewed now and then, so that whoever saw this host's memory long ago
  // knows nothing of what a loss makes of it.
  static constexpr int64_t kSeedAgeNanos = int64_t{3600} * 1'000'000'000;

  struct Options {
    bool local = false;
    std::shared_ptr<const SeedProvider> provider;  // required when local
    // Fills all of it with the kernel's bytes; absent = getrandom(2).
    std::function<bool(absl::Span<uint8_t>)> kernel;
  };
  // Arena and log outlive it. Errors: of the arena; INTERNAL when OpenSSL refuses a DRBG.
  static absl::StatusOr<std::unique_ptr<LocalFallback>> Create(std::unique_ptr<ClassBuffer> inner,
                                                               Options options, SecretArena* arena,
                                                               const Clock* clock, Log* log);
  ~LocalFallback() override;

  // What upstream is to this class: gone from `gone_at` on (INT64_MAX = it is there), or `closed`
  // by a server that is there, which is no loss. Call when either may have changed, after guests
  // were served and when `gone_at` has come. Returns whether guests can be served now that could
  // not be before.
  bool Judge(int64_t now, int64_t gone_at, bool closed);

  Mode mode() const { return mode_; }
  int64_t mode_since_nanos() const { return since_; }
  bool local_wanted() const { return options_.local; }
  bool local_ready() const;                            // a loss would be survived
  bool full_entropy() const { return full_entropy_; }  // upstream has said so
  bool local_refused() const { return options_.local && full_entropy_; }
  uint64_t local_bytes() const { return local_bytes_; }  // ever

  const std::string& class_name() const override { return inner_->class_name(); }
  size_t size() const override { return inner_->size(); }
  size_t level() const override { return inner_->level(); }
  size_t available() const override;
  size_t target() const override { return inner_->target(); }
  void Append(absl::Span<const uint8_t> bytes) override;
  size_t Take(absl::Span<uint8_t> out) override;
  void Discard() override;  // also the seed, and the DRBG that came from it
  void SetFullEntropy(bool full) override;
  void SetDemand(const Demand& demand) override;
  uint32_t guests() const override { return inner_->guests(); }
  uint32_t waiting_guests() const override { return inner_->waiting_guests(); }
  uint64_t owed() const override { return demand_.owed; }
  void Tick() override { inner_->Tick(); }
  uint64_t WantMore(uint64_t promised) override { return inner_->WantMore(promised); }
  bool Spares(size_t bytes) const override { return inner_->Spares(bytes); }
  uint64_t discarded_bytes() const override { return inner_->discarded_bytes(); }

 private:
  LocalFallback(std::unique_ptr<ClassBuffer> inner, Options options, const Clock* clock, Log* log);
  size_t SetAside(absl::Span<const uint8_t> bytes);
  absl::Status Instantiate();
  size_t Generate(absl::Span<uint8_t> out);
  void ForgetSeed();
  void ForgetDrbg();
  void EnterLocal();
  void TellDemand();

  const std::unique_ptr<ClassBuffer> inner_;
  const Options options_;
  const Clock* const clock_;
  Log* const log_;

  Mode mode_ = Mode::kUpstream;
  bool full_entropy_ = false;
  Demand demand_;
  uint64_t local_bytes_ = 0;
  int64_t since_ = 0;          // of mode_
  uint64_t bytes_before_ = 0;  // local_bytes_ when kLocal began

  SecretBytes seed_;  // from upstream, seed_fill_ bytes so far
  size_t seed_fill_ = 0;
  int64_t seed_at_ = 0;  // when it was complete
  SecretBytes mixed_;    // the seed as the DRBG gets it, for a moment
  std::unique_ptr<CtrDrbg> drbg_;
};

}  // namespace entropyd
