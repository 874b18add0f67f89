#include "server/source/sample_recording.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

namespace entropyd {
namespace {

// A reader that does at every call what the test says, and reports its end.
class TestReader final : public SampleReader {
 public:
  TestReader(std::function<void()> on_samples, bool* alive)
      : on_samples_(std::move(on_samples)), alive_(alive) {
    *alive_ = true;
  }
  ~TestReader() override { *alive_ = false; }
  void OnSamples() override {
    if (on_samples_) on_samples_();
    still_there_ = *alive_;
  }
  bool still_there() const { return still_there_; }

 private:
  const std::function<void()> on_samples_;
  bool* const alive_;
  bool still_there_ = false;
};

const std::vector<uint8_t> kSamples = {1, 2, 3};

TEST(SampleRecordingTest, ReaderIsCalledForTheFirstSamplesAndForTheEnd) {
  bool alive;
  int calls = 0;
  const auto reader = std::make_shared<TestReader>([&] { ++calls; }, &alive);
  SampleRecording recording(1, 6, reader);
  recording.Put(kSamples);
  EXPECT_EQ(calls, 1);
  recording.Put(kSamples);
  EXPECT_EQ(calls, 1) << "it has been told, and has not taken anything";
  EXPECT_EQ(recording.Take(), std::string("\1\2\3\1\2\3"));
  recording.End(absl::OkStatus());
  recording.End(absl::OkStatus());
  EXPECT_EQ(calls, 2);
  absl::Status status;
  EXPECT_TRUE(recording.Ended(&status));
}

TEST(SampleRecordingTest, ReaderThatHasGoneIsNotCalledAndEndsTheRecording) {
  bool alive;
  int calls = 0;
  auto reader = std::make_shared<TestReader>([&] { ++calls; }, &alive);
  SampleRecording recording(1, 6, reader);
  EXPECT_EQ(recording.cancelled(), "");
  reader.reset();
  EXPECT_FALSE(alive) << "the recording does not own it";
  EXPECT_EQ(recording.cancelled(), "the reader has gone");
  recording.Put(kSamples);
  recording.End(absl::OkStatus());
  EXPECT_EQ(calls, 0);
}

// A reader that acts as a gRPC reactor does: the call that it makes in answer is its last, and its
// owner frees it from another thread before that call has returned.
TEST(SampleRecordingTest, ReaderThatEndsWhileItIsCalledStaysUntilTheCallReturns) {
  bool alive;
  std::shared_ptr<TestReader> owner;
  bool alive_in_the_call = false;
  owner = std::make_shared<TestReader>(
      [&] {
        owner.reset();
        alive_in_the_call = alive;
      },
      &alive);
  SampleRecording recording(1, 6, owner);
  recording.Put(kSamples);
  EXPECT_TRUE(alive_in_the_call);
  EXPECT_FALSE(alive);
  recording.End(absl::OkStatus());
}

TEST(SampleRecordingTest, EndIsToldAfterTheLastSamples) {
  bool alive;
  const auto reader = std::make_shared<TestReader>(nullptr, &alive);
  SampleRecording recording(1, 3, reader);
  recording.Put(kSamples);
  recording.End(absl::UnavailableError("gone"));
  absl::Status status;
  EXPECT_FALSE(recording.Ended(&status));
  recording.Take();
  EXPECT_TRUE(recording.Ended(&status));
  EXPECT_EQ(status.message(), "gone");
}

}  // namespace
}  // namespace entropyd
