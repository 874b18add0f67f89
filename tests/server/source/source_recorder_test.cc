#include "server/source/source_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/types/optional.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Progress = SourceRecorder::Progress;

struct IdleReader final : SampleReader {
  void OnSamples() override {}
};

class SourceRecorderTest : public ::testing::Test {
 protected:
  std::shared_ptr<SampleRecording> Recording(uint64_t rows, uint64_t samples) {
    return std::make_shared<SampleRecording>(rows, samples, reader_);
  }
  SourceRecorder::TestDone Done() {
    return [this](absl::StatusOr<v1::Source> source) { ended_ = std::move(source); };
  }

  ManualClock clock_{1'000'000'000};
  FakeLog log_{&clock_};
  std::shared_ptr<IdleReader> reader_ = std::make_shared<IdleReader>();
  SourceRecorder recorder_{"trng0", &log_};
  absl::optional<absl::StatusOr<v1::Source>> ended_;
};

TEST_F(SourceRecorderTest, OrdersAreTakenOnceInTheirOrder) {
  recorder_.Test(false, Done());
  recorder_.Test(true, Done());
  const auto orders = recorder_.TakeTests();
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_FALSE(orders[0].reset);
  EXPECT_TRUE(orders[1].reset);
  EXPECT_TRUE(recorder_.TakeTests().empty());
  EXPECT_FALSE(recorder_.TakeRecording(0));
}

TEST_F(SourceRecorderTest, WhoAwaitsATestHearsOnceHowItEnded) {
  recorder_.AwaitTest(Done());
  EXPECT_TRUE(recorder_.test_awaited());
  v1::Source source;
  source.set_name("trng0");
  recorder_.ConcludeTests(source);
  ASSERT_TRUE(ended_.has_value() && ended_->ok());
  EXPECT_EQ((*ended_)->name(), "trng0");
  EXPECT_FALSE(recorder_.test_awaited());
}

TEST_F(SourceRecorderTest, RecordingGoesRowByRow) {
  const auto recording = Recording(2, 3);
  ASSERT_TRUE(recorder_.Record(recording).ok());
  ASSERT_TRUE(recorder_.TakeRecording(0));
  EXPECT_EQ(recorder_.Wanted(), 3u);
  const std::vector<uint8_t> bytes = {1, 2, 3};
  EXPECT_EQ(recorder_.Put({bytes.data(), 2}), Progress::kRowOpen);
  EXPECT_EQ(recorder_.Wanted(), 1u);
  EXPECT_EQ(recorder_.Put({bytes.data() + 2, 1}), Progress::kRowComplete);
  EXPECT_EQ(recorder_.Put(bytes), Progress::kComplete);
  EXPECT_FALSE(recorder_.recording());
  EXPECT_EQ(recording->Take(), std::string("\1\2\3\1\2\3"));
  absl::Status status;
  EXPECT_TRUE(recording->Ended(&status));
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(log_.events(), Contains("source.recorded"));
}

TEST_F(SourceRecorderTest, OneRecordingAtATime) {
  ASSERT_TRUE(recorder_.Record(Recording(1, 1)).ok());
  EXPECT_EQ(recorder_.Record(Recording(1, 1)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(recorder_.TakeRecording(0));
  EXPECT_EQ(recorder_.Record(Recording(1, 1)).code(), absl::StatusCode::kFailedPrecondition);
  recorder_.Fail("the device is gone");
  EXPECT_TRUE(recorder_.Record(Recording(1, 1)).ok());
}

TEST_F(SourceRecorderTest, FailureSaysHowFarItCame) {
  const auto recording = Recording(2, 3);
  ASSERT_TRUE(recorder_.Record(recording).ok());
  ASSERT_TRUE(recorder_.TakeRecording(0));
  recorder_.Put(std::vector<uint8_t>{1, 2, 3});
  recorder_.Put(std::vector<uint8_t>{4});
  recorder_.Fail("no byte for 2 s");
  recording->Take();
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("trng0: no byte for 2 s (after 4 samples)"));
}

TEST_F(SourceRecorderTest, RecordingWhoseReaderHasGoneIsCancelled) {
  ASSERT_TRUE(recorder_.Record(Recording(1, 3)).ok());
  ASSERT_TRUE(recorder_.TakeRecording(0));
  EXPECT_EQ(recorder_.cancelled(), "");
  reader_.reset();
  EXPECT_EQ(recorder_.cancelled(), "the reader has gone");
}

TEST_F(SourceRecorderTest, CloseEndsWhatRunsAndWhatWaits) {
  const auto recording = Recording(1, 3);
  ASSERT_TRUE(recorder_.Record(recording).ok());
  ASSERT_TRUE(recorder_.TakeRecording(0));
  recorder_.AwaitTest(Done());
  recorder_.Close();
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->status().code(), absl::StatusCode::kCancelled);
  ended_.reset();
  recorder_.Test(false, Done());
  ASSERT_TRUE(ended_.has_value()) << "at once";
  EXPECT_EQ(recorder_.Record(Recording(1, 1)).code(), absl::StatusCode::kCancelled);
}

TEST_F(SourceRecorderTest, AbandonAnswersWhoWaitsWhileTheThreadIsAway) {
  const auto recording = Recording(1, 3);
  ASSERT_TRUE(recorder_.Record(recording).ok());
  ASSERT_TRUE(recorder_.TakeRecording(0));
  recorder_.AwaitTest(Done());
  recorder_.Abandon();
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  ASSERT_TRUE(ended_.has_value());
  EXPECT_THAT(std::string(ended_->status().message()), HasSubstr("keeps its thread in a call"));
  // The thread comes back.
  ASSERT_TRUE(recorder_.recording());
  recorder_.Put(std::vector<uint8_t>{4});
  EXPECT_EQ(recording->Take(), "");
  ended_.reset();
  recorder_.AwaitTest(Done());
  EXPECT_TRUE(ended_.has_value()) << "one that it had taken out before";
  recorder_.Close();
}

}  // namespace
}  // namespace entropyd
