#include "hostagent/serving/local_fallback.h"

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

const char* OnUpstreamLossWord(OnUpstreamLoss on_loss) {
  return on_loss == OnUpstreamLoss::kLocal ? "local" : "block";
}

absl::StatusOr<std::unique_ptr<LocalFallback>> LocalFallback::Create(
    std::unique_ptr<ClassBuffer> inner, Options options, SecretArena* arena, const Clock* clock,
    Log* log) {
  if (!options.kernel) options.kernel = Getrandom;
  std::unique_ptr<LocalFallback> buffer(
      new LocalFallback(std::move(inner), std::move(options), clock, log));
  if (!buffer->local_wanted()) return buffer;
  if (auto status = buffer->seed_.Allocate(arena); !status.ok()) return status;
  auto drbg = CtrDrbg::Create(buffer->options_.provider.get());
  if (!drbg.ok()) return drbg.status();
  buffer->drbg_ = *std::move(drbg);
  return buffer;
}

LocalFallback::LocalFallback(std::unique_ptr<ClassBuffer> inner, Options options,
                             const Clock* clock, Log* log)
    : inner_(std::move(inner)),
      options_(std::move(options)),
      clock_(clock),
      log_(log),
      since_(clock->NowNanos()) {}

LocalFallback::~LocalFallback() = default;

bool LocalFallback::local_ready() const {
  return local_wanted() && !full_entropy_ && (drbg_->instantiated() || seed_.complete());
}

size_t LocalFallback::available() const {
  return inner_->level() + (mode_ == Mode::kLocal ? LocalRoom() : 0);
}

size_t LocalFallback::LocalRoom() const {
  if (ceil_ == 0) return kLocalPassBytes;
  TokenBucket now = tokens_;
  now.Fill(clock_->NowNanos());
  const auto bytes = static_cast<size_t>(now.nano_tokens() / TokenBucket::kNanosPerByte);
  return std::min(kLocalPassBytes, bytes);
}

void LocalFallback::SetCeil(uint64_t ceil) {
  const uint64_t changed = std::min(ceil, TokenBucket::kMaxRate);
  if (changed == ceil_) return;
  ceil_ = changed;
  tokens_.Fill(clock_->NowNanos());
  tokens_.Change(ceil_, std::min(ceil_, TokenBucket::kMaxBurst));
}

int64_t LocalFallback::next_local_nanos() const {
  if (mode_ != Mode::kLocal || demand_.owed == 0) return kNever;
  const int64_t pause_over = generated_at_ + kLocalPauseNanos;
  if (ceil_ == 0) return pause_over;
  const uint64_t grant = std::min({uint64_t{kLocalGrantBytes}, demand_.owed, tokens_.burst()});
  const auto needed = static_cast<int64_t>(grant) * TokenBucket::kNanosPerByte;
  return std::max(pause_over, tokens_.TimeOf(needed));
}

bool LocalFallback::Judge(int64_t now, int64_t lost_at, bool closed) {
  if (mode_ == Mode::kLocal) {
    // The server is back and refuses this class. That is no loss.
    if (!closed) return false;
    mode_ = Mode::kClosed;
    since_ = now;
    log_->Warning("class.local_ended",
                  {{"class", class_name()}, {"reason", "the server has closed the class"}});
    TellDemand();
    return false;
  }
  const bool lost = !closed && now >= lost_at && demand_.owed > 0 && inner_->level() == 0;
  if (lost && local_ready()) {
    EnterLocal();
    return mode_ == Mode::kLocal;
  }
  const Mode mode = lost ? Mode::kBlocked : closed ? Mode::kClosed : Mode::kUpstream;
  if (mode != mode_) {
    mode_ = mode;
    since_ = now;
    if (mode == Mode::kUpstream && blocked_told_)
      log_->Info("class.unblocked", {{"class", class_name()}});
    blocked_told_ = false;
  }
  if (lost && !blocked_told_) TellBlocked(now);
  return false;
}

// A guest that comes, waits and goes blocks and unblocks its class as often as it likes.
void LocalFallback::TellBlocked(int64_t now) {
  if (!blocked_lines_.rested(now)) return;
  blocked_lines_.Rest(now);
  blocked_told_ = true;
  log_->Warning("class.blocked", {{"class", class_name()},
                                  {"waiting_bytes", demand_.owed},
                                  {"reason", local_refused()  ? "the pool is of quality full"
                                             : local_wanted() ? "no seed was set aside"
                                                              : "on_upstream_loss is block"}});
}

void LocalFallback::EnterLocal() {
  const int64_t now = clock_->NowNanos();
  if (absl::Status status = Instantiate(); !status.ok()) {
    ForgetDrbg();
    seed_.Forget();
    mode_ = Mode::kBlocked;
    since_ = now;
    log_->Error("class.local_failed", {{"class", class_name()}, {"reason", status}});
    return;
  }
  mode_ = Mode::kLocal;
  since_ = now;
  tokens_.Restore(0, now);
  bytes_before_ = local_bytes_;
  log_->Warning("class.local", {{"class", class_name()},
                                {"waiting_bytes", demand_.owed},
                                {"reason", "upstream is gone and the buffer is empty"}});
  TellDemand();
}

// A DRBG is still there if upstream came back for fewer bytes than a seed needs. It goes on.
absl::Status LocalFallback::Instantiate() {
  if (drbg_->instantiated()) return absl::OkStatus();
  return seed_.Instantiate(
      drbg_.get(), options_.kernel,
      absl::StrCat("local ", class_name()).substr(0, CtrDrbg::kMaxAdditionalBytes));
}

size_t LocalFallback::Generate(absl::Span<uint8_t> out) {
  std::array<uint8_t, kStirBytes> stir;
  absl::Status status = absl::OkStatus();
  if (!options_.kernel(absl::MakeSpan(stir))) {
    status = absl::UnavailableError("stir DRBG: the kernel gave no bytes");
  }
  if (status.ok()) status = drbg_->Generate(out, stir);
  Cleanse(absl::MakeSpan(stir));
  if (status.ok()) {
    local_bytes_ += out.size();
    generated_at_ = clock_->NowNanos();
    if (ceil_ > 0) tokens_.Take(static_cast<uint32_t>(out.size()));
    return out.size();
  }
  ForgetDrbg();
  mode_ = Mode::kBlocked;
  since_ = clock_->NowNanos();
  log_->Error("class.local_failed", {{"class", class_name()}, {"reason", status}});
  return 0;
}

void LocalFallback::ForgetDrbg() {
  if (drbg_ != nullptr) drbg_->Uninstantiate();
}

// Returns how many bytes it took.
size_t LocalFallback::SetAside(absl::Span<const uint8_t> bytes) {
  if (!local_wanted() || full_entropy_) return 0;
  const size_t taken = seed_.SetAside(bytes, clock_->NowNanos());
  // The DRBG of the last loss is worth nothing any more.
  if (taken > 0 && seed_.complete()) ForgetDrbg();
  return taken;
}

void LocalFallback::Append(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  if (mode_ == Mode::kLocal) {
    const int64_t now = clock_->NowNanos();
    mode_ = Mode::kUpstream;
    log_->Info("class.local_ended", {{"class", class_name()},
                                     {"seconds", ToSeconds(now - since_)},
                                     {"local_bytes", local_bytes_ - bytes_before_},
                                     {"reason", "upstream is back"}});
    since_ = now;
    TellDemand();
  }
  inner_->Append(bytes.subspan(SetAside(bytes)));
}

size_t LocalFallback::Take(absl::Span<uint8_t> out) {
  const size_t n = inner_->Take(out);
  if (mode_ != Mode::kLocal || n == out.size()) return n;
  tokens_.Fill(clock_->NowNanos());
  const size_t local = std::min(out.size() - n, ceil_ == 0 ? out.size() : LocalRoom());
  return local == 0 ? n : n + Generate(out.subspan(n, local));
}

void LocalFallback::Discard() {
  inner_->Discard();
  if (!local_wanted()) return;
  seed_.Forget();
  ForgetDrbg();
  if (mode_ != Mode::kLocal) return;
  mode_ = Mode::kUpstream;
  since_ = clock_->NowNanos();
  TellDemand();
}

void LocalFallback::SetFullEntropy(bool full) {
  if (full == full_entropy_) return;
  full_entropy_ = full;
  if (!full || !local_wanted()) return;
  log_->Error("class.local_refused",
              {{"class", class_name()},
               {"reason", "its pool is of quality full, and local bytes are not"},
               {"remedy",
                "set on_upstream_loss: block, or use a class of a drbg pool; it blocks "
                "until then"}});
  seed_.Forget();
  ForgetDrbg();
  if (mode_ != Mode::kLocal) return;
  mode_ = Mode::kUpstream;
  since_ = clock_->NowNanos();
  TellDemand();
}

void LocalFallback::SetDemand(const Demand& demand) {
  demand_ = demand;
  TellDemand();
}

// While the DRBG serves, nobody is owed anything. But a buffer without demand asks for nothing, and
// upstream's first bytes would never come.
void LocalFallback::TellDemand() {
  Demand demand = demand_;
  if (mode_ == Mode::kLocal) demand.owed += kMinTarget;
  inner_->SetDemand(demand);
}

}  // namespace entropyd
