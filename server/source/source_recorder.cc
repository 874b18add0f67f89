#include "server/source/source_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::Status SourceRecorder::Closed() const {
  return absl::CancelledError(
      absl::StrCat("source ", source_,
                   ": it has ended; the server stops, or a new configuration has taken it away"));
}

void SourceRecorder::Test(bool reset, TestDone done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) {
      tests_.push_back({reset, std::move(done)});
      return;
    }
  }
  done(Closed());
}

absl::Status SourceRecorder::Record(std::shared_ptr<SampleRecording> recording) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return Closed();
  if (busy_) {
    return absl::FailedPreconditionError(
        absl::StrCat("record source ", source_, ": somebody records it already"));
  }
  busy_ = true;
  ordered_ = std::move(recording);
  return absl::OkStatus();
}

std::vector<SourceRecorder::TestOrder> SourceRecorder::TakeTests() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(tests_, {});
}

void SourceRecorder::ConcludeTests(const v1::Source& now) {
  for (const TestDone& done : std::exchange(waiting_, {})) done(now);
}

bool SourceRecorder::TakeRecording(int64_t now_nanos) {
  {
    absl::MutexLock lock(&mutex_);
    if (ordered_ == nullptr) return false;
    recording_ = std::move(ordered_);
  }
  begun_nanos_ = now_nanos;
  rows_ = samples_ = 0;
  log_->Warning("source.recording", {{"source", source_},
                                     {"rows", recording_->rows()},
                                     {"samples_per_row", recording_->row_samples()}});
  return true;
}

uint64_t SourceRecorder::Wanted() const {
  return std::min<uint64_t>(recording_->Room(), recording_->row_samples() - samples_);
}

SourceRecorder::Progress SourceRecorder::Put(absl::Span<const uint8_t> samples) {
  samples_ += samples.size();
  recording_->Put(samples);
  if (samples_ < recording_->row_samples()) return Progress::kRowOpen;
  samples_ = 0;
  if (++rows_ < recording_->rows()) return Progress::kRowComplete;
  End(absl::OkStatus());
  return Progress::kComplete;
}

void SourceRecorder::Fail(absl::string_view why) {
  End(absl::UnavailableError(absl::StrCat("record source ", source_, ": ", why, " (after ",
                                          rows_ * recording_->row_samples() + samples_,
                                          " samples)")));
}

void SourceRecorder::End(absl::Status status) {
  log_->Info("source.recorded", {{"source", source_},
                                 {"rows", rows_},
                                 {"status", status.ok() ? "complete" : status.message()}});
  {
    absl::MutexLock lock(&mutex_);
    busy_ = false;
  }
  std::exchange(recording_, nullptr)->End(std::move(status));
}

void SourceRecorder::Close() {
  std::vector<TestOrder> orders;
  std::shared_ptr<SampleRecording> ordered;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    orders.swap(tests_);
    ordered.swap(ordered_);
  }
  const absl::Status closed = Closed();
  for (const TestOrder& order : orders) order.done(closed);
  for (const TestDone& done : std::exchange(waiting_, {})) done(closed);
  for (const auto& recording : {ordered, std::exchange(recording_, nullptr)}) {
    if (recording != nullptr) recording->End(closed);
  }
}

}  // namespace entropyd
