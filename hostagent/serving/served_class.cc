#include "hostagent/serving/served_class.h"

#include <algorithm>

namespace entropyd {

absl::StatusOr<std::unique_ptr<ServedClass>> ServedClass::Create(
    const ClassSettings& settings, std::shared_ptr<const SeedProvider> provider,
    ClassCounters* counters, SecretArena* arena, const Clock* clock, Log* log) {
  auto buffer = ClassBuffer::Create({settings.name, settings.buffer_bytes, settings.max_age_nanos},
                                    arena, clock);
  if (!buffer.ok()) return buffer.status();
  LocalFallback::Options options;
  options.on_loss = settings.on_upstream_loss;
  options.provider = std::move(provider);
  auto fallback = LocalFallback::Create(*std::move(buffer), std::move(options), arena, clock, log);
  if (!fallback.ok()) return fallback.status();
  counters->buffer_size.Set((*fallback)->size());
  return std::unique_ptr<ServedClass>(
      new ServedClass(settings, *std::move(fallback), counters, clock, log));
}

size_t ClassSettings::ArenaBytes() const {
  return ClassBuffer::ArenaBytes(buffer_bytes) + LocalDrbg::kArenaBytes;
}

ServedClass::ServedClass(const ClassSettings& settings, std::unique_ptr<LocalFallback> fallback,
                         ClassCounters* counters, const Clock* clock, Log* log)
    : settings_(settings),
      counters_(counters),
      clock_(clock),
      fallback_(std::move(fallback)),
      way_out_(fallback_.get(), clock, log),
      queue_(fallback_.get(), settings.guest_ceil),
      rated_at_(clock->NowNanos()) {}

void ServedClass::OnArrival() {
  due_ = true;
  judge_ = true;
}

void ServedClass::OnUpstream(const UpstreamState& state) {
  using Kind = UpstreamState::Kind;
  upstream_ = state;
  judge_ = true;
  for (size_t kind = 0; kind < counters_->phases.size(); ++kind) {
    counters_->phases[kind].Set(kind == static_cast<size_t>(state.kind) ? 1 : 0);
  }
  if (state.kind == Kind::kGone || state.kind == Kind::kAsked) return;
  // What a server said before counts until one speaks.
  counters_->refused.Set(state.kind == Kind::kRefused ? 1 : 0);
  if (refusal_watcher_ != nullptr) refusal_watcher_->OnServerSaid(*this, state.reason);
}

size_t ServedClass::Take(absl::Span<uint8_t> out) {
  LookForResume();
  return way_out_.Take(out);
}

void ServedClass::LookForResume() {
  if (!way_out_.DropIfResumed()) return;
  due_ = true;
  news_.Resumed();
}

void ServedClass::Serve(int64_t now_nanos, uint32_t sharers) {
  served_at_ = now_nanos;
  const bool passed = MembersWait(now_nanos);
  if (passed) {
    Pass(now_nanos, sharers);
  } else if (!answered_.empty()) {  // served at once
    ObserveWaits();
    counters_->buffer_level.Set(fallback_->level());
  }
  // Most turns answer a guest from a full buffer. Such a turn ends here.
  if (judge_ || Concerned()) Judge(now_nanos, passed ? 0 : sharers);
  if (!news_.untold()) return;
  // The next turn takes more. One question for all of it costs less than one for each turn. But a
  // guest that leaves no turn finished does not keep the class from asking.
  if (queue_.unfinished() && fallback_->level() > fallback_->target() / 4) return;
  news_.Tell();
}

void ServedClass::Pass(int64_t now_nanos, uint32_t sharers) {
  due_ = false;
  queue_.Serve(now_nanos, sharers);
  if (!answered_.empty()) ObserveWaits();
  const uint32_t guests = queue_.members() + expected_guests_;
  const uint32_t waiting = queue_.waiting_members() + expected_guests_;
  fallback_->SetDemand({.guests = guests,
                        .owed = queue_.owed() + expected_bytes_,
                        .waiting_guests = waiting,
                        .held_back = queue_.held_back()});
  counters_->guests.Set(queue_.connections());
  counters_->owed_bytes.Set(queue_.owed());
  counters_->buffer_level.Set(fallback_->level());
  counters_->buffer_target.Set(fallback_->target());
  counters_->throttled_nanos.Set(throttled_before_ +
                                 static_cast<uint64_t>(queue_.throttled_nanos()));
  // A ceiling that is due already waits for bytes, not for tokens. An arrival serves it.
  const auto later = [now_nanos](int64_t at) { return at > now_nanos ? at : kNever; };
  ceiling_at_ = later(fallback_->next_local_nanos());
  if (queue_.has_ceil()) {
    ceiling_at_ = std::min(ceiling_at_, later(queue_.NextEventNanos().value_or(kNever)));
  }
  news_.Note(guests, waiting, !fallback_->Spares(0));
}

// As LocalFallback::Judge() sees it: while the buffer has bytes, nothing is lost, and a guest that
// is owed some waits for something else.
bool ServedClass::LossIsDue(int64_t now_nanos) const {
  return now_nanos >= upstream_.lost_at && fallback_->demand().owed > 0 &&
         fallback_->level() == 0 && fallback_->mode() == LocalFallback::Mode::kUpstream;
}

// A guest waits, or upstream does not serve the class. Then a loss matters.
bool ServedClass::Concerned() const {
  return fallback_->demand().owed > 0 || fallback_->mode() != LocalFallback::Mode::kUpstream;
}

void ServedClass::Judge(int64_t now_nanos, uint32_t sharers) {
  judge_ = false;
  const bool refused = upstream_.kind == UpstreamState::Kind::kRefused;
  if (fallback_->Judge(now_nanos, upstream_.lost_at, refused)) {
    if (sharers > 0) {
      Pass(now_nanos, sharers);
    } else {
      due_ = true;
    }
  }
  for (size_t mode = 0; mode < counters_->modes.size(); ++mode) {
    counters_->modes[mode].Set(mode == static_cast<size_t>(fallback_->mode()) ? 1 : 0);
  }
  const LocalFallback::Report report = fallback_->report();
  counters_->local_bytes.Set(report.local_bytes);
  counters_->local_ready.Set(report.local_ready ? 1 : 0);
  counters_->local_refused.Set(report.local_refused ? 1 : 0);
}

int64_t ServedClass::next_nanos() const {
  const bool may_be_lost = fallback_->demand().owed > 0 && upstream_.lost_at > served_at_;
  return std::min(ceiling_at_, may_be_lost ? upstream_.lost_at : kNever);
}

void ServedClass::Tick(int64_t now_nanos) {
  LookForResume();
  fallback_->Tick();
  due_ = true;
  judge_ = true;
  rate_.Measure(counters_->delivered_bytes.Get(), ToSeconds(now_nanos - rated_at_));
  rated_at_ = now_nanos;
}

void ServedClass::Expect(uint32_t guests, uint64_t bytes) {
  expected_guests_ = guests;
  expected_bytes_ = std::min<uint64_t>(bytes, fallback_->size());
  due_ = true;
}

int64_t ServedClass::throttled_nanos(int64_t now_nanos) const {
  return static_cast<int64_t>(throttled_before_) + queue_.throttled_nanos_until(now_nanos);
}

void ServedClass::GoOnFrom(int64_t throttled_nanos) {
  throttled_before_ = static_cast<uint64_t>(throttled_nanos);
  rate_.Start(counters_->delivered_bytes.Get());
}

}  // namespace entropyd
