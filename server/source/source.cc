#include "server/source/source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// A device that comes back is noticed within this; one that stays away costs one open(2) a second.
constexpr int64_t kReopenNanos = kNanosPerSecond;

// While no pool wants bytes the device is read on slowly, so that a fault or an unplugged device is
// noticed before its bytes are needed, and every seed holds some of what came since the last one.
constexpr uint64_t kIdleBytesPerSecond = 1024;

// A latched source has nothing to do; this only bounds how soon it notices an operator's reset.
constexpr absl::Duration kLatchedWait = absl::Seconds(1);

// Reads run ahead of the rate by so much at most, or a fast device would wake the thread thousands
// of times a second.
constexpr int64_t kPaceGrainNanos = 2'000'000;

constexpr int64_t kRateWindowNanos = 2 * kNanosPerSecond;

}  // namespace

Source::Source(SourceSpec spec, std::unique_ptr<SourceDriver> driver, HealthMonitor test,
               SecretBytes held, const Clock* clock, Log* log)
    : spec_(std::move(spec)),
      driver_(std::move(driver)),
      clock_(clock),
      log_(log),
      test_(std::move(test)),
      held_(std::move(held)),
      rate_since_(clock->NowNanos()) {
  status_.set_name(spec_.name);
  status_.set_driver(spec_.driver);
  status_.set_group(spec_.claims.group);
  status_.set_software(spec_.claims.software);
  status_.set_min_entropy_bits_per_byte(spec_.claims.min_entropy);
  status_.set_health_min_entropy_bits_per_byte(spec_.claims.health_min_entropy);
  status_.set_state(v1::SOURCE_STATE_STARTING);
  status_.set_reason("not opened yet");
}

v1::Source Source::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

bool Source::Wanted() const {
  return std::any_of(sinks_.begin(), sinks_.end(),
                     [](const Attached& a) { return a.sink->Wants(a.member); });
}

absl::Duration Source::Step() {
  const int64_t now = clock_->NowNanos();
  if (now - rate_since_ >= kRateWindowNanos) {
    absl::MutexLock lock(&mutex_);
    status_.set_raw_bytes_per_second(static_cast<double>(status_.raw_bytes() - rate_bytes_) *
                                     kNanosPerSecond / static_cast<double>(now - rate_since_));
    rate_since_ = now;
    rate_bytes_ = status_.raw_bytes();
  }
  TakeOrders(now);
  if (recording_ != nullptr) return RecordDevice(now);
  if (state_ == v1::SOURCE_STATE_LATCHED) return kLatchedWait;
  if (!open_) return OpenDevice(now);
  const absl::Duration wait = UntilAllowed(now);
  return wait > absl::ZeroDuration() ? wait : ReadDevice(now);
}

absl::Duration Source::UntilAllowed(int64_t now) {
  const bool wanted = state_ != v1::SOURCE_STATE_HEALTHY || Wanted();
  if (wanted != wanted_) {
    wanted_ = wanted;
    pace_since_ = now;
    pace_bytes_ = 0;
  }
  const uint64_t rate =
      wanted ? spec_.claims.max_rate : std::min(spec_.claims.max_rate, kIdleBytesPerSecond);
  const int64_t due =
      pace_since_ + static_cast<int64_t>(static_cast<double>(pace_bytes_) * kNanosPerSecond /
                                         static_cast<double>(rate));
  if (due - now > kPaceGrainNanos) return absl::Nanoseconds(due - now);
  // Time in which nothing was read is not made up for: the rate is a ceiling.
  if (due < now) {
    pace_since_ = now;
    pace_bytes_ = 0;
  }
  return absl::ZeroDuration();
}

absl::Duration Source::OpenDevice(int64_t now) {
  if (now < next_open_) return absl::Nanoseconds(next_open_ - now);
  absl::StatusOr<std::string> device = driver_->Open();
  if (!device.ok()) {
    GoneBecause(device.status().message(), now);
    return absl::Nanoseconds(kReopenNanos);
  }
  // The state changes with the first byte: a FIFO without a writer opens well and gives nothing.
  open_ = true;
  device_ = *std::move(device);
  last_byte_ = now;
  startup_due_ = true;
  test_.RestartStream();
  return absl::ZeroDuration();
}

absl::Duration Source::ReadDevice(int64_t now) {
  uint8_t buffer[4096];
  const size_t room = tail_bytes_ + test_.block_bytes() - held_bytes_;
  const size_t size = std::min({room, spec_.claims.read_bytes, sizeof(buffer)});
  absl::StatusOr<size_t> n = driver_->Read(absl::MakeSpan(buffer, size));
  if (!n.ok()) {
    if (absl::IsCancelled(n.status())) return kLatchedWait;
    {
      absl::MutexLock lock(&mutex_);
      status_.set_read_errors(status_.read_errors() + 1);
    }
    GoneBecause(n.status().message(), now);
    return absl::Nanoseconds(kReopenNanos);
  }
  if (*n == 0) {
    if (now - last_byte_ < kSilenceNanos) return kEmptyWait;
    GoneBecause("no byte for 2 s", now);
    return absl::Nanoseconds(kReopenNanos);
  }
  last_byte_ = now;
  pace_bytes_ += *n;
  Take(absl::MakeConstSpan(buffer, *n));
  Cleanse(absl::MakeSpan(buffer, *n));
  return absl::ZeroDuration();
}

void Source::BeginStartup() {
  startup_due_ = false;
  clean_bytes_ = 0;
  absl::MutexLock lock(&mutex_);
  status_.set_startups(status_.startups() + 1);
}

void Source::Take(absl::Span<const uint8_t> bytes) {
  {
    absl::MutexLock lock(&mutex_);
    status_.set_raw_bytes(status_.raw_bytes() + bytes.size());
  }
  if (startup_due_) {
    BeginStartup();
    SetState(v1::SOURCE_STATE_STARTING, absl::StrCat("start-up tests of ", device_));
  }
  std::memcpy(held_.data() + held_bytes_, bytes.data(), bytes.size());
  held_bytes_ += bytes.size();
  if (absl::optional<HealthMonitor::Alarm> alarm = test_.Feed(bytes)) OnAlarm(*alarm);
  if (held_bytes_ - tail_bytes_ == test_.block_bytes()) CloseBlock();
}

void Source::CloseBlock() {
  const bool deliver = !block_alarmed_ && state_ == v1::SOURCE_STATE_HEALTHY;
  if (!block_alarmed_ && !deliver) {
    clean_bytes_ += held_bytes_;
    if (clean_bytes_ >= test_.startup_bytes()) SetState(v1::SOURCE_STATE_HEALTHY, device_);
  }
  if (!deliver) {
    DropHeld();
    return;
  }
  const size_t tail = std::min(test_.tail_bytes(), held_bytes_);
  const size_t passed = held_bytes_ - tail;
  if (passed > 0) Deliver(held_.span().first(passed));
  std::memmove(held_.data(), held_.data() + passed, tail);
  Cleanse(held_.span().subspan(tail));
  tail_bytes_ = held_bytes_ = tail;
}

void Source::DropHeld() {
  Cleanse(held_.span());
  tail_bytes_ = held_bytes_ = 0;
  block_alarmed_ = false;
}

void Source::Deliver(absl::Span<const uint8_t> block) {
  if (sinks_.empty()) return;
  // To the next pool in turn that wants it, or else to the next in turn.
  size_t chosen = next_sink_ % sinks_.size();
  for (size_t i = 0; i < sinks_.size(); ++i) {
    const size_t candidate = (next_sink_ + i) % sinks_.size();
    if (sinks_[candidate].sink->Wants(sinks_[candidate].member)) {
      chosen = candidate;
      break;
    }
  }
  next_sink_ = chosen + 1;
  const double credited = sinks_[chosen].sink->Add(sinks_[chosen].member, block);
  absl::MutexLock lock(&mutex_);
  status_.set_credited_bits(status_.credited_bits() + credited);
}

void Source::OnAlarm(const HealthMonitor::Alarm& alarm) {
  block_alarmed_ = true;
  {
    absl::MutexLock lock(&mutex_);
    switch (alarm.test) {
      case HealthMonitor::Test::kApt:
        status_.set_apt_failures(status_.apt_failures() + 1);
        break;
      case HealthMonitor::Test::kReplay:
      case HealthMonitor::Test::kPrediction:
        status_.set_lag_failures(status_.lag_failures() + 1);
        break;
      case HealthMonitor::Test::kRct:
      case HealthMonitor::Test::kContinuous:
        status_.set_rct_failures(status_.rct_failures() + 1);
        break;
    }
  }
  SetState(alarm.permanent ? v1::SOURCE_STATE_LATCHED : v1::SOURCE_STATE_QUARANTINED,
           alarm.ToString());
  if (alarm.permanent) {
    CloseDevice();
  } else {
    BeginStartup();
  }
}

void Source::GoneBecause(absl::string_view reason, int64_t now) {
  driver_->Close();
  open_ = false;
  next_open_ = now + kReopenNanos;
  DropHeld();
  SetState(v1::SOURCE_STATE_GONE, reason);
}

void Source::SetState(v1::SourceState state, absl::string_view reason) {
  const bool changed = state_ != state;
  state_ = state;
  {
    absl::MutexLock lock(&mutex_);
    status_.set_state(state);
    status_.set_reason(std::string(reason));
    if (changed) Remember();
  }
  if (!changed) {
    ConcludeTests();
    return;
  }
  // Pools first: bytes of a failed source must be gone before anybody hears of it.
  for (const Attached& a : sinks_) a.sink->SetSourceState(a.member, state);
  const absl::string_view name = spec_.name;
  switch (state) {
    case v1::SOURCE_STATE_HEALTHY:
      log_->Info("source.healthy", {{"source", name}, {"device", reason}});
      break;
    case v1::SOURCE_STATE_QUARANTINED:
      log_->Warning("source.quarantined", {{"source", name}, {"reason", reason}});
      break;
    case v1::SOURCE_STATE_LATCHED:
      log_->Error("source.latched", {{"source", name}, {"reason", reason}});
      break;
    case v1::SOURCE_STATE_GONE:
      log_->Warning("source.gone", {{"source", name}, {"reason", reason}});
      break;
    default:
      log_->Info("source.starting", {{"source", name}, {"device", device_}});
      break;
  }
  ConcludeTests();
}

void Source::Remember() {
  if (status_.history_size() == kHistory) status_.mutable_history()->DeleteSubrange(0, 1);
  v1::Source::Event* const event = status_.add_history();
  event->set_unix_seconds(absl::ToDoubleSeconds(clock_->WallTime() - absl::UnixEpoch()));
  event->set_state(status_.state());
  event->set_reason(status_.reason());
}

void Source::CloseDevice() {
  driver_->Close();
  open_ = false;
  DropHeld();
}

void Source::Close() {
  CloseDevice();
  std::vector<TestOrder> orders;
  std::shared_ptr<SampleRecording> ordered;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    orders.swap(test_orders_);
    ordered.swap(recording_order_);
  }
  const absl::Status closed = Closed();
  for (const TestOrder& order : orders) order.done(closed);
  for (const TestDone& done : std::exchange(waiting_tests_, {})) done(closed);
  for (const auto& recording : {ordered, std::exchange(recording_, nullptr)}) {
    if (recording != nullptr) recording->End(closed);
  }
}

}  // namespace entropyd
