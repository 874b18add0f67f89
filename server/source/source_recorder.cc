#include "server/source/source_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::Status SourceRecorder::Closed() const {
  return absl::CancelledError(
      absl::StrCat("source ", source_, ": ", abandoned_ ? "it ends" : "it has ended",
                   "; the server stops, or a new configuration has taken it away",
                   abandoned_ ? ", and its device keeps its thread in a call" : ""));
}

void SourceRecorder::Test(bool reset, TestDone done) {
  absl::Status closed;
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) {
      tests_.push_back({reset, std::move(done)});
      return;
    }
    closed = Closed();
  }
  done(closed);
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

void SourceRecorder::AwaitTest(TestDone done) {
  absl::Status closed;
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) {
      waiting_.push_back(std::move(done));
      return;
    }
    closed = Closed();
  }
  done(closed);
}

bool SourceRecorder::test_awaited() const {
  absl::MutexLock lock(&mutex_);
  return !waiting_.empty();
}

void SourceRecorder::ConcludeTests(const v1::Source& now) {
  std::vector<TestDone> waiting;
  {
    absl::MutexLock lock(&mutex_);
    waiting.swap(waiting_);
  }
  for (const TestDone& done : waiting) done(now);
}

bool SourceRecorder::TakeRecording(int64_t now_nanos) {
  {
    absl::MutexLock lock(&mutex_);
    if (ordered_ == nullptr) return false;
    recording_ = std::move(ordered_);
    running_ = recording_;
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
    running_ = nullptr;
  }
  std::exchange(recording_, nullptr)->End(std::move(status));
}

void SourceRecorder::Close() {
  Refuse(/*abandoned=*/false);
  recording_ = nullptr;
}

void SourceRecorder::Abandon() { Refuse(/*abandoned=*/true); }

void SourceRecorder::Refuse(bool abandoned) {
  std::vector<TestOrder> orders;
  std::vector<TestDone> waiting;
  std::shared_ptr<SampleRecording> ordered, running;
  absl::Status closed;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    abandoned_ = abandoned;
    orders.swap(tests_);
    waiting.swap(waiting_);
    ordered.swap(ordered_);
    running.swap(running_);
    closed = Closed();
  }
  for (const TestOrder& order : orders) order.done(closed);
  for (const TestDone& done : waiting) done(closed);
  for (const auto& recording : {ordered, running}) {
    if (recording != nullptr) recording->End(closed);
  }
}

}  // namespace entropyd
