#include "server/source/source_status.h"

#include <string>

#include "absl/time/time.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

// Long enough for a device that gives in bursts, and short enough for an operator who watches.
constexpr int64_t kRateWindowNanos = 2 * kSecondNanos;

}  // namespace

SourceStatus::SourceStatus(const SourceSpec& spec, const Clock* clock)
    : clock_(clock), rate_since_(clock->NowNanos()) {
  absl::MutexLock lock(&mutex_);
  status_.set_name(spec.name);
  status_.set_driver(spec.driver);
  status_.set_group(spec.identity.claims.group);
  status_.set_software(spec.identity.software());
  status_.set_min_entropy_bits_per_byte(spec.identity.claims.min_entropy);
  status_.set_health_min_entropy_bits_per_byte(spec.identity.claims.health_min_entropy);
  status_.set_state(v1::SOURCE_STATE_STARTING);
  status_.set_reason("not opened yet");
}

v1::Source SourceStatus::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

void SourceStatus::Set(v1::SourceState state, absl::string_view reason) {
  absl::MutexLock lock(&mutex_);
  const bool changed = status_.state() != state;
  status_.set_state(state);
  status_.set_reason(std::string(reason));
  if (!changed) return;
  if (status_.history_size() == kHistory) status_.mutable_history()->DeleteSubrange(0, 1);
  v1::Source::Event* const event = status_.add_history();
  event->set_unix_seconds(absl::ToDoubleSeconds(clock_->WallTime() - absl::UnixEpoch()));
  event->set_state(state);
  event->set_reason(status_.reason());
}

void SourceStatus::SetGroup(absl::string_view group) {
  absl::MutexLock lock(&mutex_);
  status_.set_group(std::string(group));
}

void SourceStatus::AddRawBytes(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  status_.set_raw_bytes(status_.raw_bytes() + bytes);
}

void SourceStatus::AddCredit(double bits) {
  absl::MutexLock lock(&mutex_);
  status_.set_credited_bits(status_.credited_bits() + bits);
}

void SourceStatus::CountStartup() {
  absl::MutexLock lock(&mutex_);
  status_.set_startups(status_.startups() + 1);
}

void SourceStatus::CountReadError() {
  absl::MutexLock lock(&mutex_);
  status_.set_read_errors(status_.read_errors() + 1);
}

void SourceStatus::CountAlarm(HealthMonitor::Test test) {
  absl::MutexLock lock(&mutex_);
  switch (test) {
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

void SourceStatus::MeasureRate(int64_t now_nanos) {
  const int64_t passed = now_nanos - rate_since_;
  if (passed < kRateWindowNanos) return;
  absl::MutexLock lock(&mutex_);
  status_.set_raw_bytes_per_second(static_cast<double>(status_.raw_bytes() - rate_bytes_) /
                                   ToSeconds(passed));
  rate_since_ = now_nanos;
  rate_bytes_ = status_.raw_bytes();
}

}  // namespace entropyd
