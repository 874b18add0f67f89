#include "hostagent/serving/local_drbg.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// getrandom(2) gives up to 256 bytes in one piece, whatever signals come.
bool Getrandom(absl::Span<uint8_t> out) {
  return getrandom(out.data(), out.size(), 0) == static_cast<ssize_t>(out.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalDrbg>> LocalDrbg::Create(
    const std::string& class_name, std::shared_ptr<const SeedProvider> provider, Kernel kernel,
    SecretArena* arena, const Clock* clock) {
  if (!kernel) kernel = Getrandom;
  std::unique_ptr<LocalDrbg> local(
      new LocalDrbg(class_name, std::move(provider), std::move(kernel), clock));
  if (auto status = local->seed_.Allocate(arena); !status.ok()) return status;
  auto drbg = CtrDrbg::Create(local->provider_.get());
  if (!drbg.ok()) return drbg.status();
  local->drbg_ = *std::move(drbg);
  return local;
}

LocalDrbg::LocalDrbg(const std::string& class_name, std::shared_ptr<const SeedProvider> provider,
                     Kernel kernel, const Clock* clock)
    : personalization_(absl::StrCat("local ", class_name).substr(0, CtrDrbg::kMaxAdditionalBytes)),
      provider_(std::move(provider)),
      kernel_(std::move(kernel)),
      clock_(clock) {}

size_t LocalDrbg::SetAside(absl::Span<const uint8_t> bytes) {
  const size_t taken = seed_.SetAside(bytes, clock_->NowNanos());
  // The DRBG of the last loss is worth nothing any more.
  if (taken > 0 && seed_.complete()) drbg_->Uninstantiate();
  return taken;
}

// A DRBG is still there if upstream came back for fewer bytes than a seed needs.
absl::Status LocalDrbg::Begin() {
  if (!drbg_->instantiated()) {
    absl::Status status = seed_.Instantiate(drbg_.get(), kernel_, personalization_);
    if (!status.ok()) {
      Forget();
      return status;
    }
  }
  tokens_.Restore(0, clock_->NowNanos());
  return absl::OkStatus();
}

absl::Status LocalDrbg::Generate(absl::Span<uint8_t> out) {
  std::array<uint8_t, kStirBytes> stir;
  absl::Status status = absl::OkStatus();
  if (!kernel_(absl::MakeSpan(stir))) {
    status = absl::UnavailableError("stir DRBG: the kernel gave no bytes");
  }
  if (status.ok()) status = drbg_->Generate(out, stir);
  Wipe(absl::MakeSpan(stir));
  if (!status.ok()) {
    drbg_->Uninstantiate();
    return status;
  }
  bytes_ += out.size();
  generated_at_ = clock_->NowNanos();
  if (ceil_ > 0) tokens_.Take(static_cast<uint32_t>(out.size()));
  return absl::OkStatus();
}

void LocalDrbg::Forget() {
  seed_.Forget();
  drbg_->Uninstantiate();
}

void LocalDrbg::SetCeil(uint64_t ceil) {
  const uint64_t changed = std::min(ceil, TokenBucket::kMaxRate);
  if (changed == ceil_) return;
  ceil_ = changed;
  tokens_.Fill(clock_->NowNanos());
  tokens_.Change(ceil_, std::min(ceil_, TokenBucket::kMaxBurst));
}

size_t LocalDrbg::Room() const {
  if (ceil_ == 0) return kPassBytes;
  TokenBucket now = tokens_;
  now.Fill(clock_->NowNanos());
  const auto bytes = static_cast<size_t>(now.nano_tokens() / TokenBucket::kNanosPerByte);
  return std::min(kPassBytes, bytes);
}

size_t LocalDrbg::RoomFor(size_t wanted) {
  tokens_.Fill(clock_->NowNanos());
  return std::min(wanted, ceil_ == 0 ? wanted : Room());
}

int64_t LocalDrbg::NextNanos(uint64_t owed) const {
  const int64_t pause_over = generated_at_ + kPauseNanos;
  if (ceil_ == 0) return pause_over;
  const uint64_t grant = std::min({uint64_t{kGrantBytes}, owed, tokens_.burst()});
  const auto needed = static_cast<int64_t>(grant) * TokenBucket::kNanosPerByte;
  return std::max(pause_over, tokens_.TimeOf(needed));
}

}  // namespace entropyd
