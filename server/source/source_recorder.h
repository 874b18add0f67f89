// What operators ask of a source: tests on demand, resets and recordings. The recorder keeps the
// orders until the source's thread takes them. It knows who waits for the end of a test, and how
// far a recording has come. The source does the work, because it owns the device.
//
// Operators:  recorder->Test(reset, done);  recorder->Record(recording);
// The source, in each step:
//   for (auto& order : recorder->TakeTests()) …      // begin, then AwaitTest(order.done)
//   if (recorder->TakeRecording()) …                 // read Wanted() bytes, Put() them, until
//                                                    // kComplete or Fail()
//
// Thread safety: Test(), Record() and Abandon() from any thread; the rest from the source's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/telemetry/log.h"
#include "proto/admin.pb.h"
#include "server/source/sample_recording.h"

namespace entropyd {

class SourceRecorder {
 public:
  // How a test that an operator asked for has ended: the source at the moment when its tests passed
  // (HEALTHY) or failed, or when its device did not open. Errors: FAILED_PRECONDITION (latched, or
  // being recorded); CANCELLED (the source is closed).
  using TestDone = std::function<void(absl::StatusOr<v1::Source>)>;
  struct TestOrder {
    // Forgets earlier alarms and ends LATCHED.
    bool reset;
    TestDone done;
  };
  enum class Progress { kRowOpen, kRowComplete, kComplete };

  // `source` is the source's name, for messages. `log` outlives the recorder.
  SourceRecorder(std::string source, Log* log) : source_(std::move(source)), log_(log) {}

  // Calls `done` once, from the source's thread or, after Close(), at once.
  void Test(bool reset, TestDone done);
  // Orders a recording. Errors: FAILED_PRECONDITION when the source is being recorded already;
  // CANCELLED after Close(). A later fault ends the recording.
  absl::Status Record(std::shared_ptr<SampleRecording> recording);

  // The source ends, and its device keeps its thread in a call. Answers all callers that wait, and
  // refuses later orders.
  void Abandon();

  // Returns the orders that came since the last call.
  std::vector<TestOrder> TakeTests();
  // Says that the tests that `done` waits for have begun.
  void AwaitTest(TestDone done);
  bool test_awaited() const;
  // Says that the tests have ended.
  void ConcludeTests(const v1::Source& now);

  // Returns true when a recording was ordered. It begins now.
  bool TakeRecording(int64_t now_nanos);
  bool recording() const { return recording_ != nullptr; }
  // All functions below except Close() REQUIRE recording().

  // As SampleRecording::cancelled().
  std::string cancelled() const { return recording_->cancelled(); }
  // The recording takes longer than its connection may live.
  bool overdue(int64_t now_nanos) const {
    return now_nanos - begun_nanos_ >= SampleRecording::kLongestNanos;
  }
  // How many samples the row still lacks, as far as there is room; 0 = the reader is slow.
  uint64_t Wanted() const;
  // Takes samples. After kRowComplete the source must open the device again. kComplete has ended
  // the recording.
  Progress Put(absl::Span<const uint8_t> samples);
  // Ends the recording and gives this reason.
  void Fail(absl::string_view why);

  // Ends everything, and refuses later orders.
  void Close();

 private:
  void End(absl::Status status);
  // Answers all callers that wait, and refuses later orders.
  void Refuse(bool abandoned);
  absl::Status Closed() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string source_;
  Log* const log_;

  // Only the source's thread uses the members up to the mutex.
  std::shared_ptr<SampleRecording> recording_;
  int64_t begun_nanos_ = 0;
  // The complete rows.
  uint64_t rows_ = 0;
  // The samples of the open row.
  uint64_t samples_ = 0;

  mutable absl::Mutex mutex_;
  std::vector<TestOrder> tests_ ABSL_GUARDED_BY(mutex_);
  // Who waits for the tests that have begun.
  std::vector<TestDone> waiting_ ABSL_GUARDED_BY(mutex_);
  // `recording_`, for Abandon().
  std::shared_ptr<SampleRecording> running_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<SampleRecording> ordered_ ABSL_GUARDED_BY(mutex_);
  // A recording is ordered or running.
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace entropyd
