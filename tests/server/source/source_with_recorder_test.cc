// What operators ask of a source: tests on demand, resets, recordings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/source/source.h"
#include "tests/server/source/source_rig.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// A source of bytes at 4 bits each: blocks of 512 bytes, start-up after two of them.
class SourceWithRecorderTest : public SourceTest {
 protected:
  static constexpr size_t kBlock = 512;

  SourceWithRecorderTest() : SourceTest(1) {}

  // Orders a test, and keeps its result in `ended_`.
  void Order(bool reset) {
    ended_.reset();
    source_->Test(reset, [this](absl::StatusOr<v1::Source> source) { ended_ = std::move(source); });
  }
  std::shared_ptr<SampleRecording> Recording(uint64_t rows, uint64_t samples) {
    return std::make_shared<SampleRecording>(rows, samples, reader_);
  }

  absl::optional<absl::StatusOr<v1::Source>> ended_;
  struct CountingReader final : SampleReader {
    void OnSamples() override { ++calls; }
    int calls = 0;
  };
  const std::shared_ptr<CountingReader> reader_ = std::make_shared<CountingReader>();
};

TEST_F(SourceWithRecorderTest, TestOnDemandIsStartUpAgainAndTellsWhenItHasPassed) {
  RunFor(absl::Milliseconds(10));
  ASSERT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  const size_t blocks = sink_.blocks.size();
  Order(false);
  device_.max_read = 1;
  const uint64_t begin = device_.offset;
  while (!ended_.has_value()) {
    clock_.Advance(source_->Step());
    ASSERT_LE(device_.offset, begin + 2 * kBlock);
  }
  EXPECT_EQ(device_.offset, begin + 2 * kBlock);
  ASSERT_TRUE(ended_->ok());
  EXPECT_EQ((*ended_)->state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ((*ended_)->startups(), 2u);
  EXPECT_EQ(sink_.blocks.size(), blocks) << "nothing of the start-up tests is delivered";
  EXPECT_EQ(device_.opens, 1);
}

TEST_F(SourceWithRecorderTest, TestOnDemandTellsThatItFailed) {
  RunFor(absl::Milliseconds(10));
  device_.byte_at = [](uint64_t) { return 7; };
  Order(false);
  RunFor(absl::Milliseconds(10));
  ASSERT_TRUE(ended_.has_value() && ended_->ok());
  EXPECT_NE((*ended_)->state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_THAT((*ended_)->reason(), HasSubstr("rct"));
}

TEST_F(SourceWithRecorderTest, TestOfAMissingDeviceTellsThatItIsGone) {
  device_.open = absl::NotFoundError("open /dev/fake: no such device");
  RunFor(absl::Milliseconds(10));
  Order(false);
  RunFor(absl::Milliseconds(10));
  ASSERT_TRUE(ended_.has_value() && ended_->ok()) << "without waiting for the next try";
  EXPECT_EQ((*ended_)->state(), v1::SOURCE_STATE_GONE);
}

TEST_F(SourceWithRecorderTest, LatchedSourceIsNotTestedButReset) {
  device_.byte_at = [](uint64_t) { return 7; };
  RunFor(absl::Milliseconds(10));
  ASSERT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  Order(false);
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(ended_->status().message()), HasSubstr("then reset it"));
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);

  Order(true);  // still stuck
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(ended_.has_value() && ended_->ok());
  EXPECT_NE((*ended_)->state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);

  device_.byte_at = nullptr;
  Order(true);
  RunFor(absl::Seconds(1));
  ASSERT_TRUE(ended_.has_value() && ended_->ok());
  EXPECT_EQ((*ended_)->state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceWithRecorderTest, M3_AlarmsOfThePastSurviveATestAndNotAReset) {
  // Two alarms; a third within a million samples latches, unless an operator has reset the source.
  for (const bool reset : {false, true}) {
    const auto stumble = [&] {
      const uint64_t from = device_.offset;
      device_.byte_at = [this, from](uint64_t offset) {
        return offset < from + 9 ? uint8_t{3} : static_cast<uint8_t>(device_.generator());
      };
      RunFor(absl::Milliseconds(20));
    };
    Order(true);
    RunFor(absl::Milliseconds(20));
    stumble();
    stumble();
    ASSERT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
    Order(reset);
    RunFor(absl::Milliseconds(20));
    stumble();
    EXPECT_EQ(State(), reset ? v1::SOURCE_STATE_HEALTHY : v1::SOURCE_STATE_LATCHED);
  }
}

TEST_F(SourceWithRecorderTest, OrderThatComesAfterTheEndIsCancelled) {
  Order(false);
  source_->Close();
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->status().code(), absl::StatusCode::kCancelled);
  Order(true);
  EXPECT_EQ(ended_->status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(source_->Record(Recording(1, 1)).code(), absl::StatusCode::kCancelled);
}

TEST_F(SourceWithRecorderTest, S2_RecordingHoldsRawSamplesInOrderAndFeedsNoPool) {
  RunFor(absl::Milliseconds(10));
  std::string sent;
  device_.byte_at = [&](uint64_t) {
    sent.push_back(static_cast<char>(device_.generator()));
    return static_cast<uint8_t>(sent.back());
  };
  const auto recording = Recording(1, 100'000);
  ASSERT_TRUE(source_->Record(recording).ok());
  EXPECT_EQ(source_->Record(Recording(1, 1)).code(), absl::StatusCode::kFailedPrecondition);
  const size_t blocks = sink_.blocks.size();
  std::string got;
  absl::Status status;
  while (!recording->Ended(&status)) {
    clock_.Advance(source_->Step());
    EXPECT_NE(State(), v1::SOURCE_STATE_HEALTHY);
    got += recording->Take();
    ASSERT_LE(got.size(), 100'000u);
  }
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_GT(reader_->calls, 0);
  EXPECT_EQ(got, sent);
  EXPECT_EQ(got.size(), 100'000u);
  EXPECT_EQ(sink_.blocks.size(), blocks);
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY) << "through start-up tests";
  EXPECT_TRUE(source_->Record(Recording(1, 1)).ok());
}

TEST_F(SourceWithRecorderTest, S2_RestartRecordingOpensTheDeviceBeforeEachRow) {
  const auto recording = Recording(1000, 1000);
  ASSERT_TRUE(source_->Record(recording).ok());
  std::string got;
  absl::Status status;
  while (!recording->Ended(&status)) {
    clock_.Advance(source_->Step());
    got += recording->Take();
  }
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(got.size(), 1'000'000u);
  EXPECT_EQ(device_.opens, 1000);
  EXPECT_EQ(device_.offset, 1'000'000u) << "nothing read is left out";
}

TEST_F(SourceWithRecorderTest, SlowReaderOfARecordingStopsTheDeviceAndLosesNothing) {
  const auto recording = Recording(1, 2 * SampleRecording::kCapacity);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Seconds(2));
  EXPECT_EQ(recording->Room(), 0u);
  EXPECT_EQ(device_.offset, SampleRecording::kCapacity);
  EXPECT_EQ(recording->Take().size(), SampleRecording::kCapacity);
  RunFor(absl::Seconds(2));
  EXPECT_EQ(recording->Take().size(), SampleRecording::kCapacity);
  absl::Status status;
  EXPECT_TRUE(recording->Ended(&status));
  EXPECT_TRUE(status.ok());
}

TEST_F(SourceWithRecorderTest, RecordingEndsWithTheDevicesErrorAndSaysHowFarItCame) {
  device_.byte_at = [&](uint64_t offset) {
    if (offset == 127) device_.read = absl::UnavailableError("read /dev/fake: No such device");
    return static_cast<uint8_t>(offset);
  };
  const auto recording = Recording(1, 1000);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Milliseconds(10));
  EXPECT_EQ(recording->Take().size(), 128u);
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("No such device (after 128 samples)"));
}

TEST_F(SourceWithRecorderTest, RecordingOfASilentDeviceEnds) {
  device_.silent = true;
  const auto recording = Recording(1, 1000);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Seconds(3));
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("no byte for 2 s"));
}

TEST_F(SourceWithRecorderTest, RecordingEndsSoonAfterItsReaderHasGone) {
  RunFor(absl::Milliseconds(10));
  const auto recording = Recording(1, 1 << 30);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Milliseconds(10));
  recording->Cancel();
  RunFor(absl::Milliseconds(20));
  absl::Status status;
  recording->Take();
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceWithRecorderTest, ARecordingThatIsTakenAwayEndsWithTheReasonForThat) {
  RunFor(absl::Milliseconds(10));
  const auto recording = Recording(1, 1 << 30);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Milliseconds(10));
  recording->Cancel("raw samples do not leave this server");
  recording->Cancel();  // and then the reader goes
  RunFor(absl::Milliseconds(20));
  absl::Status status;
  recording->Take();
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("record source trng0: raw samples do not leave this server (after "));
}

TEST_F(SourceWithRecorderTest, LatchedSourceCanBeRecordedAndStaysLatched) {
  device_.byte_at = [](uint64_t) { return 7; };
  RunFor(absl::Milliseconds(10));
  ASSERT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  const auto recording = Recording(1, 1000);
  ASSERT_TRUE(source_->Record(recording).ok());
  RunFor(absl::Seconds(1));
  EXPECT_EQ(recording->Take(), std::string(1000, 7));
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);
}

TEST_F(SourceWithRecorderTest, TestDuringARecordingIsRefused) {
  ASSERT_TRUE(source_->Record(Recording(1, 1 << 30)).ok());
  RunFor(absl::Milliseconds(10));
  Order(false);
  RunFor(absl::Milliseconds(10));
  ASSERT_TRUE(ended_.has_value());
  EXPECT_EQ(ended_->status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SourceWithRecorderTest, StopEndsARecording) {
  const auto recording = Recording(1, 1000);
  ASSERT_TRUE(source_->Record(recording).ok());
  source_->Close();
  absl::Status status;
  ASSERT_TRUE(recording->Ended(&status));
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST_F(SourceWithRecorderTest, ARecordingThatOutlivesItsConnectionIsRefusedWithTheRemedy) {
  // At 1 MB/s, 100 minutes are 6000 million samples.
  const absl::Status refused = source_->Record(Recording(6001, 1'000'000));
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("record fewer samples at a time"));
  EXPECT_TRUE(source_->Record(Recording(6000, 1'000'000)).ok());
}

// The device may give less than its max_rate.
TEST_F(SourceWithRecorderTest, ARecordingThatTakesTooLongEndsWithTheReason) {
  const auto recording = Recording(1, 1'000'000);
  device_.max_read = 1;
  ASSERT_TRUE(source_->Record(recording).ok());
  for (int i = 0; i < 100; ++i) {
    clock_.AdvanceNanos(59 * kSecondNanos);
    source_->Step();
    recording->Take();
  }
  absl::Status end;
  EXPECT_FALSE(recording->Ended(&end)) << end;
  clock_.AdvanceNanos(3 * kMinuteNanos);
  source_->Step();
  recording->Take();
  ASSERT_TRUE(recording->Ended(&end));
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  EXPECT_THAT(std::string(end.message()), HasSubstr("it has taken 1h 40m"));
  EXPECT_THAT(std::string(end.message()), HasSubstr("record fewer samples at a time"));
}

// Nine equal bytes in a row are an alarm. Six at the end of one stream and six at the beginning
// of the next are none. A stream ends when its device is gone, and when an operator orders a test.
TEST_F(SourceWithRecorderTest, ARunDoesNotGoOnInTheNextStream) {
  uint64_t seam = UINT64_MAX;
  device_.byte_at = [&](uint64_t offset) {
    const bool at_seam = seam != UINT64_MAX && offset >= seam - 6 && offset < seam + 6;
    return static_cast<uint8_t>(at_seam ? 0x5a : device_.generator());
  };
  const auto run_to_seam = [&] {
    RunFor(absl::Milliseconds(10));
    ASSERT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
    seam = device_.offset + 64;
    while (device_.offset < seam) clock_.Advance(source_->Step());
  };
  run_to_seam();
  device_.read = absl::UnavailableError("pulled out");
  RunFor(absl::Milliseconds(10));
  ASSERT_EQ(State(), v1::SOURCE_STATE_GONE);
  device_.read = absl::OkStatus();
  RunFor(absl::Seconds(2));
  run_to_seam();
  Order(/*reset=*/false);
  RunFor(absl::Seconds(2));
  ASSERT_TRUE(ended_.has_value() && ended_->ok());
  EXPECT_THAT(sink_.states, Not(Contains(v1::SOURCE_STATE_QUARANTINED)));
  // One stream does have a run.
  run_to_seam();
  RunFor(absl::Milliseconds(10));
  EXPECT_THAT(sink_.states, Contains(v1::SOURCE_STATE_QUARANTINED));
}

}  // namespace
}  // namespace entropyd
