// What operators ask of a Source: tests on demand, resets, recordings.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/source/source.h"

namespace entropyd {

absl::Status Source::Closed() const {
  return absl::CancelledError(absl::StrCat("source ", spec_.name, ": the server stops"));
}

void Source::Test(bool reset, TestDone done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) {
      test_orders_.push_back({reset, std::move(done)});
      return;
    }
  }
  done(Closed());
}

absl::Status Source::Record(std::shared_ptr<SampleRecording> recording) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return Closed();
  if (recording_busy_) {
    return absl::FailedPreconditionError(
        absl::StrCat("record source ", spec_.name, ": somebody records it already"));
  }
  recording_busy_ = true;
  recording_order_ = std::move(recording);
  return absl::OkStatus();
}

void Source::TakeOrders(int64_t now) {
  std::vector<TestOrder> orders;
  std::shared_ptr<SampleRecording> recording;
  {
    absl::MutexLock lock(&mutex_);
    if (test_orders_.empty() && recording_order_ == nullptr) return;
    orders.swap(test_orders_);
    recording.swap(recording_order_);
  }
  for (TestOrder& order : orders) BeginTest(std::move(order), now);
  if (recording != nullptr) BeginRecording(std::move(recording));
}

void Source::BeginTest(TestOrder order, int64_t now) {
  if (recording_ != nullptr) {
    order.done(absl::FailedPreconditionError(absl::StrCat(
        "test source ", spec_.name, ": it is being recorded; wait, or end the recording")));
    return;
  }
  if (state_ == v1::SOURCE_STATE_LATCHED && !order.reset) {
    order.done(absl::FailedPreconditionError(absl::StrCat("test source ", spec_.name,
                                                          ": it is latched (", Snapshot().reason(),
                                                          "); find out why, then reset it")));
    return;
  }
  log_->Info(order.reset ? "source.reset" : "source.tested", {{"source", spec_.name}});
  if (order.reset) {
    test_.Forget();
  } else {
    test_.RestartStream();
  }
  DropHeld();
  startup_due_ = true;
  if (!open_) next_open_ = now;
  if (state_ == v1::SOURCE_STATE_LATCHED) {
    SetState(v1::SOURCE_STATE_STARTING, "reset by an operator");
  }
  waiting_tests_.push_back(std::move(order.done));
}

void Source::ConcludeTests() {
  // Not yet: the start-up tests that were asked for run, or wait for their first byte.
  const bool gone = state_ == v1::SOURCE_STATE_GONE;
  if (waiting_tests_.empty() || state_ == v1::SOURCE_STATE_STARTING || (startup_due_ && !gone)) {
    return;
  }
  const v1::Source now = Snapshot();
  for (const TestDone& done : std::exchange(waiting_tests_, {})) done(now);
}

void Source::BeginRecording(std::shared_ptr<SampleRecording> recording) {
  recording_ = std::move(recording);
  recorded_rows_ = recorded_bytes_ = 0;
  log_->Warning("source.recording", {{"source", spec_.name},
                                     {"rows", recording_->rows()},
                                     {"samples_per_row", recording_->row_samples()}});
  CloseDevice();
  // A latched source may be recorded, to find out why; it stays latched.
  if (state_ != v1::SOURCE_STATE_LATCHED) {
    SetState(v1::SOURCE_STATE_STARTING, "raw samples are being recorded for an operator");
  }
}

absl::Duration Source::EndRecording(absl::Status status, int64_t now) {
  log_->Info("source.recorded", {{"source", spec_.name},
                                 {"rows", recorded_rows_},
                                 {"status", status.ok() ? "complete" : status.message()}});
  CloseDevice();
  next_open_ = now;
  {
    absl::MutexLock lock(&mutex_);
    recording_busy_ = false;
  }
  std::exchange(recording_, nullptr)->End(std::move(status));
  return absl::ZeroDuration();
}

absl::Duration Source::RecordDevice(int64_t now) {
  const auto failed = [&](absl::string_view why) {
    return EndRecording(
        absl::UnavailableError(absl::StrCat(
            "record source ", spec_.name, ": ", why, " (after ",
            recorded_rows_ * recording_->row_samples() + recorded_bytes_, " samples)")),
        now);
  };
  if (recording_->cancelled()) return failed("the reader has gone");
  if (!open_) {
    const absl::StatusOr<std::string> device = driver_->Open();
    if (!device.ok()) return failed(device.status().message());
    open_ = true;
    last_byte_ = now;
  }
  const absl::Duration wait = UntilAllowed(now);
  if (wait > absl::ZeroDuration()) return wait;
  uint8_t buffer[4096];
  const size_t size =
      std::min<uint64_t>({recording_->Room(), spec_.claims.read_bytes, sizeof(buffer),
                          recording_->row_samples() - recorded_bytes_});
  if (size == 0) return kEmptyWait;  // whoever takes them is slow
  const absl::StatusOr<size_t> n = driver_->Read(absl::MakeSpan(buffer, size));
  if (!n.ok()) return failed(n.status().message());
  if (*n == 0) return now - last_byte_ < kSilenceNanos ? kEmptyWait : failed("no byte for 2 s");
  last_byte_ = now;
  pace_bytes_ += *n;
  recorded_bytes_ += *n;
  recording_->Put(absl::MakeConstSpan(buffer, *n));
  {
    absl::MutexLock lock(&mutex_);
    status_.set_raw_bytes(status_.raw_bytes() + *n);
  }
  if (recorded_bytes_ < recording_->row_samples()) return absl::ZeroDuration();
  recorded_bytes_ = 0;
  if (++recorded_rows_ == recording_->rows()) return EndRecording(absl::OkStatus(), now);
  CloseDevice();  // the next row is a restart
  return absl::ZeroDuration();
}

}  // namespace entropyd
