// A class buffer that knows what happens to its guests when upstream is lost: `on_upstream_loss`.
//
//   block   guests wait
//   local   a CTR_DRBG AES-256 of this host serves when upstream is gone, the buffer is empty
//           and a guest waits
//
// The output of the DRBG (hostagent/serving/local_drbg.h) never enters the buffer, and ends with
// the first bytes from upstream. From those bytes a new seed is set aside.
//
// `local` is refused, with an error in the log, for a class of a pool of quality `full`: a guest
// that is promised full-entropy bytes must not get others. A class without a seed blocks, too: no
// byte ever came, or the bytes that came had to be discarded. Code that fills the buffer uses
// level(). Code that empties it uses available().
//
//   auto fallback = LocalFallback::Create(std::move(buffer), options, &arena, &clock, &log);
//   if ((*fallback)->Judge(now, lost_at, /*closed=*/false)) ServeGuests();
//
// Errors: of Create() only.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/crypto/secret_bytes.h"
#include "base/crypto/seed_provider.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "base/wire/state_names.h"
#include "hostagent/serving/class_buffer.h"
#include "hostagent/serving/local_drbg.h"

namespace entropyd {

// What a class does for guests that wait while upstream is gone; see above.
enum class OnUpstreamLoss { kBlock, kLocal };
// The word of the configuration: "block" or "local".
const char* OnUpstreamLossWord(OnUpstreamLoss on_loss);

class LocalFallback final : public ClassBuffer {
 public:
  using Mode = ClassMode;
  static constexpr size_t kModes = kClassModes;

  struct Options {
    OnUpstreamLoss on_loss = OnUpstreamLoss::kBlock;
    // Required when kLocal.
    std::shared_ptr<const SeedProvider> provider;
    // Absent = getrandom(2).
    LocalDrbg::Kernel kernel;
  };
  // Arena, clock and log outlive it. Errors: of the arena; INTERNAL when OpenSSL refuses a DRBG.
  static absl::StatusOr<std::unique_ptr<LocalFallback>> Create(std::unique_ptr<ClassBuffer> inner,
                                                               Options options, SecretArena* arena,
                                                               const Clock* clock, Log* log);
  ~LocalFallback() override;

  // Decides who serves. Upstream counts as lost from `lost_at` on (INT64_MAX = it is there), or the
  // class is `closed` by a server that is there, which is no loss. Call it when either may have
  // changed, after guests were served, and when `lost_at` has come. Returns whether guests can be
  // served now that could not be served before.
  bool Judge(int64_t now, int64_t lost_at, bool closed);

  Mode mode() const { return mode_; }
  // What people are told of it, beside the mode.
  struct Report {
    // Since when the mode is as it is.
    int64_t mode_since_nanos = 0;
    // That the DRBG has made, ever.
    uint64_t local_bytes = 0;
    // The local fallback can serve after a loss.
    bool local_ready = false;
    // `local` is refused, because the pool is of quality `full`.
    bool local_refused = false;
  };
  Report report() const;
  // Upstream has said that the pool is of quality `full`.
  bool full_entropy() const { return full_entropy_; }
  // When the DRBG may give the next bytes to those who still wait; kNever = nobody does. It may be
  // a time that has passed: then those who wait cannot take bytes now.
  int64_t next_local_nanos() const;

  const std::string& class_name() const override { return inner_->class_name(); }
  size_t size() const override { return inner_->size(); }
  size_t level() const override { return inner_->level(); }
  size_t available() const override;
  size_t target() const override { return inner_->target(); }
  void Append(absl::Span<const uint8_t> bytes) override;
  size_t Take(absl::Span<uint8_t> out) override;
  // Wipes also the seed, and the DRBG that came from it.
  void Discard() override;
  void SetFullEntropy(bool full) override;
  void SetCeil(uint64_t ceil) override;
  bool gives_in_a_loss() const override { return drbg_ != nullptr && !full_entropy_; }
  void SetDemand(const Demand& demand) override;
  const Demand& demand() const override { return demand_; }
  void Tick() override { inner_->Tick(); }
  uint64_t WantMore(uint64_t promised) override { return inner_->WantMore(promised); }
  bool Spares(size_t bytes) const override { return inner_->Spares(bytes); }
  uint64_t discarded_bytes() const override { return inner_->discarded_bytes(); }

 private:
  LocalFallback(std::unique_ptr<ClassBuffer> inner, std::unique_ptr<LocalDrbg> drbg,
                const Clock* clock, Log* log);
  void SetMode(Mode mode);
  size_t Generate(absl::Span<uint8_t> out);
  void Forget();
  void EnterLocal();
  void TellBlocked(int64_t now);
  void TellDemand();

  const std::unique_ptr<ClassBuffer> inner_;
  // nullptr when guests are to wait.
  const std::unique_ptr<LocalDrbg> drbg_;
  const Clock* const clock_;
  Log* const log_;

  Mode mode_ = Mode::kUpstream;
  // Since when mode_ is as it is.
  int64_t since_;
  bool full_entropy_ = false;
  Demand demand_;
  LineBudget blocked_lines_;
  // The log knows that the class is blocked.
  bool blocked_told_ = false;
  // What the DRBG had given when kLocal began.
  uint64_t bytes_before_ = 0;
};

}  // namespace entropyd
