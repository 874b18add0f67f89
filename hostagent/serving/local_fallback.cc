#include "hostagent/serving/local_fallback.h"

#include <algorithm>
#include <utility>

#include "base/process/nanos.h"

namespace entropyd {

const char* OnUpstreamLossWord(OnUpstreamLoss on_loss) {
  return on_loss == OnUpstreamLoss::kLocal ? "local" : "block";
}

absl::StatusOr<std::unique_ptr<LocalFallback>> LocalFallback::Create(
    std::unique_ptr<ClassBuffer> inner, Options options, SecretArena* arena, const Clock* clock,
    Log* log) {
  std::unique_ptr<LocalDrbg> drbg;
  if (options.on_loss == OnUpstreamLoss::kLocal) {
    auto made = LocalDrbg::Create(inner->class_name(), std::move(options.provider),
                                  std::move(options.kernel), arena, clock);
    if (!made.ok()) return made.status();
    drbg = *std::move(made);
  }
  return std::unique_ptr<LocalFallback>(
      new LocalFallback(std::move(inner), std::move(drbg), clock, log));
}

LocalFallback::LocalFallback(std::unique_ptr<ClassBuffer> inner, std::unique_ptr<LocalDrbg> drbg,
                             const Clock* clock, Log* log)
    : inner_(std::move(inner)),
      drbg_(std::move(drbg)),
      clock_(clock),
      log_(log),
      since_(clock->NowNanos()) {}

LocalFallback::~LocalFallback() = default;

LocalFallback::Report LocalFallback::report() const {
  return {.mode_since_nanos = since_,
          .local_bytes = drbg_ == nullptr ? 0 : drbg_->bytes(),
          .local_ready = gives_in_a_loss() && drbg_->ready(),
          .local_refused = drbg_ != nullptr && full_entropy_};
}

size_t LocalFallback::available() const {
  return inner_->level() + (mode_ == Mode::kLocal ? drbg_->Room() : 0);
}

void LocalFallback::SetCeil(uint64_t ceil) {
  if (drbg_ != nullptr) drbg_->SetCeil(ceil);
}

int64_t LocalFallback::next_local_nanos() const {
  if (mode_ != Mode::kLocal || demand_.owed == 0) return kNever;
  return drbg_->NextNanos(demand_.owed);
}

void LocalFallback::SetMode(Mode mode) {
  mode_ = mode;
  since_ = clock_->NowNanos();
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
  if (lost && report().local_ready) {
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
                                  {"reason", drbg_ == nullptr ? "on_upstream_loss is block"
                                             : full_entropy_  ? "the pool is of quality full"
                                                              : "no seed was set aside"}});
}

void LocalFallback::EnterLocal() {
  if (absl::Status status = drbg_->Begin(); !status.ok()) {
    SetMode(Mode::kBlocked);
    log_->Error("class.local_failed", {{"class", class_name()}, {"reason", status}});
    return;
  }
  SetMode(Mode::kLocal);
  bytes_before_ = drbg_->bytes();
  log_->Warning("class.local", {{"class", class_name()},
                                {"waiting_bytes", demand_.owed},
                                {"reason", "upstream is gone and the buffer is empty"}});
  TellDemand();
}

size_t LocalFallback::Generate(absl::Span<uint8_t> out) {
  const absl::Status status = drbg_->Generate(out);
  if (status.ok()) return out.size();
  SetMode(Mode::kBlocked);
  log_->Error("class.local_failed", {{"class", class_name()}, {"reason", status}});
  return 0;
}

void LocalFallback::Append(absl::Span<const uint8_t> bytes) {
  if (bytes.empty()) return;
  if (mode_ == Mode::kLocal) {
    const int64_t began = since_;
    SetMode(Mode::kUpstream);
    log_->Info("class.local_ended", {{"class", class_name()},
                                     {"seconds", ToSeconds(since_ - began)},
                                     {"local_bytes", drbg_->bytes() - bytes_before_},
                                     {"reason", "upstream is back"}});
    TellDemand();
  }
  inner_->Append(bytes.subspan(gives_in_a_loss() ? drbg_->SetAside(bytes) : 0));
}

size_t LocalFallback::Take(absl::Span<uint8_t> out) {
  const size_t n = inner_->Take(out);
  if (mode_ != Mode::kLocal || n == out.size()) return n;
  const size_t local = drbg_->RoomFor(out.size() - n);
  return local == 0 ? n : n + Generate(out.subspan(n, local));
}

void LocalFallback::Discard() {
  inner_->Discard();
  if (drbg_ != nullptr) Forget();
}

void LocalFallback::SetFullEntropy(bool full) {
  if (full == full_entropy_) return;
  full_entropy_ = full;
  if (!full || drbg_ == nullptr) return;
  log_->Error("class.local_refused",
              {{"class", class_name()},
               {"reason", "its pool is of quality full, and local bytes are not"},
               {"remedy",
                "set on_upstream_loss: block, or use a class of a drbg pool; it blocks "
                "until then"}});
  Forget();
}

void LocalFallback::Forget() {
  drbg_->Forget();
  if (mode_ != Mode::kLocal) return;
  SetMode(Mode::kUpstream);
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
