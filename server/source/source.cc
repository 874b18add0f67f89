#include "server/source/source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/config/units.h"

namespace entropyd {
namespace {

// The source notices within this time that a device has come back. A missing device costs one
// open(2) per second.
constexpr int64_t kReopenNanos = kSecondNanos;

// While no pool wants bytes the source still reads slowly. So it notices a fault or an unplugged
// device before the bytes are needed, and every seed holds some bytes from after the last one.
constexpr uint64_t kIdleBytesPerSecond = 1024;

// A latched source has nothing to do. This is only the longest time until it notices an operator's
// reset.
constexpr absl::Duration kLatchedWait = absl::Seconds(1);

}  // namespace

Source::Source(SourceSpec spec, std::unique_ptr<SourceDriver> driver, HealthMonitor test,
               SecretBytes held, const Clock* clock, Log* log)
    : spec_(std::move(spec)),
      driver_(std::move(driver)),
      clock_(clock),
      test_(std::move(test)),
      held_(std::move(held), test_.block_bytes(), test_.tail_bytes()),
      root_(spec_.identity.root),
      status_(spec_, clock),
      log_(spec_.name, log),
      recorder_(spec_.name, log) {}

void Source::BeginLatched(absl::string_view reason) { SetState(v1::SOURCE_STATE_LATCHED, reason); }

absl::Duration Source::Step() {
  const int64_t now = clock_->NowNanos();
  status_.MeasureRate(now);
  log_.Tick(now);
  sinks_.TellNew(root_, state_);
  TakeOrders(now);
  if (recorder_.recording()) return RecordDevice(now);
  if (state_ == v1::SOURCE_STATE_LATCHED) return kLatchedWait;
  if (!open_) return OpenDevice(now);
  const absl::Duration wait = UntilAllowed(now);
  return wait > absl::ZeroDuration() ? wait : ReadDevice(now);
}

absl::Duration Source::UntilAllowed(int64_t now) {
  const bool wanted = state_ != v1::SOURCE_STATE_HEALTHY || sinks_.AnyWants();
  const uint64_t ceiling = spec_.identity.claims.max_rate;
  return pace_.UntilAllowed(wanted ? ceiling : std::min(ceiling, kIdleBytesPerSecond), now);
}

absl::Duration Source::OpenDevice(int64_t now) {
  if (now < next_open_) return absl::Nanoseconds(next_open_ - now);
  absl::StatusOr<std::string> device = driver_->Open();
  if (!device.ok()) {
    GoneBecause(device.status().message(), now);
    return absl::Nanoseconds(kReopenNanos);
  }
  // The state changes only at the first byte: a FIFO without a writer opens but gives nothing.
  open_ = true;
  device_ = *std::move(device);
  last_byte_ = now;
  startup_due_ = true;
  test_.RestartStream();
  TellRoot();
  return absl::ZeroDuration();
}

// The path may lead to another device than when the configuration was read.
void Source::TellRoot() {
  const std::string root = driver_->root();
  if (root.empty() || root == root_) return;
  log_.Root(root, root_);
  root_ = root;
  sinks_.TellRoot(root_);
}

absl::Duration Source::ReadDevice(int64_t now) {
  uint8_t buffer[4096];
  const size_t size = std::min({held_.room(), spec_.identity.claims.read_bytes, sizeof(buffer)});
  absl::StatusOr<size_t> n = driver_->Read(absl::MakeSpan(buffer, size));
  if (!n.ok()) {
    if (absl::IsCancelled(n.status())) return kLatchedWait;
    status_.CountReadError();
    GoneBecause(n.status().message(), now);
    return absl::Nanoseconds(kReopenNanos);
  }
  if (*n == 0) {
    if (!SilentTooLong(now)) return kEmptyWait;
    GoneBecause(SilenceText(), now);
    return absl::Nanoseconds(kReopenNanos);
  }
  last_byte_ = now;
  pace_.Count(*n);
  Take(absl::MakeConstSpan(buffer, *n));
  Wipe(absl::MakeSpan(buffer, *n));
  return absl::ZeroDuration();
}

std::string Source::SilenceText() const {
  return absl::StrCat("no byte for ",
                      FormatDuration(ToSeconds(spec_.identity.claims.silence_nanos)));
}

void Source::BeginStartup() {
  startup_due_ = false;
  clean_bytes_ = 0;
  status_.CountStartup();
}

void Source::Take(absl::Span<const uint8_t> bytes) {
  status_.AddRawBytes(bytes.size());
  if (startup_due_) {
    BeginStartup();
    SetState(v1::SOURCE_STATE_STARTING, absl::StrCat("start-up tests of ", device_));
  }
  held_.Append(bytes);
  if (absl::optional<HealthMonitor::Alarm> alarm = test_.Feed(bytes)) OnAlarm(*alarm);
  if (held_.closed()) CloseBlock();
}

void Source::CloseBlock() {
  const bool deliver = !block_alarmed_ && state_ == v1::SOURCE_STATE_HEALTHY;
  if (!block_alarmed_ && !deliver) {
    clean_bytes_ += held_.bytes();
    if (clean_bytes_ >= test_.startup_bytes()) SetState(v1::SOURCE_STATE_HEALTHY, device_);
  }
  if (!deliver) {
    DropHeld();
    return;
  }
  // Some drivers know only now which server or device they ask.
  TellRoot();
  if (!held_.passed().empty()) status_.AddCredit(sinks_.Give(held_.passed()));
  held_.KeepTail();
}

void Source::DropHeld() {
  held_.Drop();
  block_alarmed_ = false;
}

void Source::OnAlarm(const HealthMonitor::Alarm& alarm) {
  block_alarmed_ = true;
  status_.CountAlarm(alarm.test);
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
  // Its root stays: what it gave rests on that device, which another source may open meanwhile.
  SetState(v1::SOURCE_STATE_GONE, reason);
}

void Source::SetState(v1::SourceState state, absl::string_view reason) {
  const bool changed = state_ != state;
  state_ = state;
  status_.Set(state, reason);
  if (!changed) {
    ConcludeTests();
    return;
  }
  // Tell the pools first: bytes of a failed source must be gone before anybody else learns of it.
  sinks_.TellState(state);
  log_.State(state, reason, device_, clock_->NowNanos());
  ConcludeTests();
}

void Source::CloseDevice() {
  driver_->Close();
  open_ = false;
  DropHeld();
}

void Source::Close() {
  CloseDevice();
  recorder_.Close();
}

absl::Status Source::Record(std::shared_ptr<SampleRecording> recording) {
  const uint64_t rate = spec_.identity.claims.max_rate;
  const double samples =
      static_cast<double>(recording->rows()) * static_cast<double>(recording->row_samples());
  const double longest = ToSeconds(SampleRecording::kLongestNanos);
  if (samples > longest * static_cast<double>(rate)) {
    return absl::InvalidArgumentError(
        absl::StrCat("record source ", spec_.name, ": at its max_rate of ",
                     FormatRate(static_cast<double>(rate)), " this takes ",
                     FormatDuration(samples / static_cast<double>(rate)),
                     ", and a recording ends after ", FormatDuration(longest),
                     ", because no connection lives much longer; record fewer samples "
                     "at a time"));
  }
  return recorder_.Record(std::move(recording));
}

void Source::TakeOrders(int64_t now) {
  for (SourceRecorder::TestOrder& order : recorder_.TakeTests()) BeginTest(std::move(order), now);
  if (recorder_.TakeRecording(now)) BeginRecording();
}

void Source::BeginTest(SourceRecorder::TestOrder order, int64_t now) {
  const auto refuse = [&](absl::string_view why) {
    order.done(absl::FailedPreconditionError(absl::StrCat("test source ", spec_.name, ": ", why)));
  };
  if (recorder_.recording()) {
    return refuse("it is being recorded; wait, or end the recording");
  }
  const bool latched = state_ == v1::SOURCE_STATE_LATCHED;
  if (latched && !order.reset) {
    return refuse(
        absl::StrCat("it is latched (", Snapshot().reason(), "); find out why, then reset it"));
  }
  log_.Test(order.reset);
  if (order.reset) {
    test_.Forget();
  } else {
    test_.RestartStream();
  }
  DropHeld();
  startup_due_ = true;
  if (!open_) next_open_ = now;
  if (latched) SetState(v1::SOURCE_STATE_STARTING, "reset by an operator");
  recorder_.AwaitTest(std::move(order.done));
}

void Source::ConcludeTests() {
  // Not yet: the start-up tests of an operator still run, or wait for their first byte.
  const bool gone = state_ == v1::SOURCE_STATE_GONE;
  if (!recorder_.test_awaited() || state_ == v1::SOURCE_STATE_STARTING || (startup_due_ && !gone)) {
    return;
  }
  recorder_.ConcludeTests(Snapshot());
}

void Source::BeginRecording() {
  CloseDevice();
  // An operator may record a latched source to find out why. It stays latched.
  if (state_ != v1::SOURCE_STATE_LATCHED) {
    SetState(v1::SOURCE_STATE_STARTING, "raw samples are being recorded for an operator");
  }
}

absl::Duration Source::StopRecording(absl::string_view why, int64_t now) {
  CloseDevice();
  next_open_ = now;
  recorder_.Fail(why);
  return absl::ZeroDuration();
}

absl::Duration Source::RecordDevice(int64_t now) {
  if (const std::string why = recorder_.cancelled(); !why.empty()) return StopRecording(why, now);
  if (recorder_.overdue(now)) {
    return StopRecording(
        absl::StrCat("it has taken ", FormatDuration(ToSeconds(SampleRecording::kLongestNanos)),
                     ", and no connection lives much longer; record fewer samples at a time"),
        now);
  }
  if (!open_) {
    const absl::StatusOr<std::string> device = driver_->Open();
    if (!device.ok()) return StopRecording(device.status().message(), now);
    open_ = true;
    last_byte_ = now;
  }
  const absl::Duration wait = UntilAllowed(now);
  if (wait > absl::ZeroDuration()) return wait;
  uint8_t buffer[4096];
  const size_t size =
      std::min<uint64_t>({recorder_.Wanted(), spec_.identity.claims.read_bytes, sizeof(buffer)});
  if (size == 0) return kEmptyWait;  // their taker is slow
  const absl::StatusOr<size_t> n = driver_->Read(absl::MakeSpan(buffer, size));
  if (!n.ok()) return StopRecording(n.status().message(), now);
  if (*n == 0) {
    return SilentTooLong(now) ? StopRecording(SilenceText(), now) : kEmptyWait;
  }
  last_byte_ = now;
  pace_.Count(*n);
  status_.AddRawBytes(*n);
  if (recorder_.Put(absl::MakeConstSpan(buffer, *n)) != SourceRecorder::Progress::kRowOpen) {
    CloseDevice();  // the next row is a restart
    next_open_ = now;
  }
  Wipe(absl::MakeSpan(buffer, *n));
  return absl::ZeroDuration();
}

}  // namespace entropyd
