// A device that is away, is silent, is replaced, or comes and goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/server/source/source_rig.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST_F(SourceTest, MissingDeviceIsGoneAndOpenedEverySecond) {
  device_.open = absl::NotFoundError("open /dev/fake: no such device");
  RunFor(absl::Seconds(10));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no such device"));
  EXPECT_EQ(device_.opens, 10);
  EXPECT_EQ(log_.Count("source.gone"), 1);
  device_.open = absl::OkStatus();
  RunFor(absl::Seconds(2));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceTest, M18_UnpluggedAndReplacedDeviceStartsAgainWithoutCredit) {
  MakeHealthy();
  RunBytes(640);
  device_.read = absl::UnavailableError("read /dev/fake: No such device");
  RunFor(absl::Milliseconds(100));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_EQ(source_->Snapshot().read_errors(), 1u);
  device_.read = absl::OkStatus();
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING);
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_TRUE(sink_.blocks.empty()) << "what was held before the unplugging is dropped";
  EXPECT_EQ(source_->Snapshot().startups(), 2u);
}

TEST_F(SourceTest, DeviceThatOpensButGivesNothingStaysGone) {
  device_.read = absl::UnavailableError("read fifo: end of file, nobody writes");
  RunFor(absl::Seconds(5));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_EQ(log_.Count("source.gone"), 1) << "said once, not with every try";
}

TEST_F(SourceTest, M17_SilentDeviceIsGivenUpAfterTwoSeconds) {
  MakeHealthy();
  device_.silent = true;
  RunFor(absl::Milliseconds(1990));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no byte for 2 s"));
}

TEST_F(SourceTest, ADeviceMayBeSilentForAsLongAsItsConfigurationSays) {
  silence_nanos_ = 30 * kSecondNanos;
  MakeSource();
  MakeHealthy();
  device_.silent = true;
  RunFor(absl::Milliseconds(29'980));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  RunFor(absl::Milliseconds(40));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no byte for 30 s"));
}

// 16 bytes every three seconds: 4096 of them take 13 minutes.
TEST_F(SourceTest, StartUpTestsCollectTheirSamplesAcrossPauses) {
  silence_nanos_ = 30 * kSecondNanos;
  MakeSource();
  device_.max_read = 16;
  for (size_t bytes = 0; bytes < 2 * kBlock; bytes += 16) {
    EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING) << bytes;
    device_.silent = false;
    RunBytes(16);
    device_.silent = true;
    RunFor(absl::Seconds(3));
  }
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ(source_->Snapshot().startups(), 1u);
  EXPECT_EQ(device_.opens, 1);
}

TEST_F(SourceTest, AFlappingDeviceIsToldOnce) {
  for (int i = 0; i < 30; ++i) {
    device_.read = absl::OkStatus();
    RunBytes(16);
    device_.read = absl::UnavailableError("read fifo: end of file, nobody writes");
    RunFor(absl::Seconds(1));
  }
  const auto told = [&](const char* event) { return log_.Count(event); };
  EXPECT_EQ(told("source.gone"), 2);
  EXPECT_EQ(told("source.flapping"), 1);
  device_.read = absl::OkStatus();
  sink_.wants = false;  // few reads
  RunFor(absl::Seconds(70));
  EXPECT_EQ(told("source.settled"), 1);
}

TEST_F(SourceTest, EmptyDeviceIsAskedEveryTenMilliseconds) {
  device_.silent = true;
  source_->Step();
  EXPECT_EQ(source_->Step(), absl::Milliseconds(10));
}

}  // namespace
}  // namespace entropyd
