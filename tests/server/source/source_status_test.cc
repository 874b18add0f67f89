#include "server/source/source_status.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

class SourceStatusTest : public ::testing::Test {
 protected:
  static SourceSpec Spec() {
    SourceSpec spec;
    spec.name = "trng0";
    spec.identity.claims.group = "board";
    return spec;
  }
  ManualClock clock_{1'000'000'000};
  SourceStatus status_{Spec(), &clock_};
};

TEST_F(SourceStatusTest, OnlyAnotherStateEntersTheHistory) {
  EXPECT_EQ(status_.Snapshot().reason(), "not opened yet");
  status_.Set(v1::SOURCE_STATE_GONE, "no such device");
  status_.Set(v1::SOURCE_STATE_GONE, "permission denied");
  const v1::Source now = status_.Snapshot();
  ASSERT_EQ(now.history_size(), 1);
  EXPECT_EQ(now.history(0).reason(), "no such device");
  EXPECT_EQ(now.reason(), "permission denied");
}

TEST_F(SourceStatusTest, HistoryForgetsTheOldest) {
  for (int i = 0; i <= SourceStatus::kHistory; ++i) {
    status_.Set(i % 2 == 0 ? v1::SOURCE_STATE_GONE : v1::SOURCE_STATE_STARTING, std::to_string(i));
  }
  const v1::Source now = status_.Snapshot();
  ASSERT_EQ(now.history_size(), SourceStatus::kHistory);
  EXPECT_EQ(now.history(0).reason(), "1");
}

TEST_F(SourceStatusTest, AlarmsAreCountedByTheirTest) {
  using Test = HealthMonitor::Test;
  for (const Test test : {Test::kRct, Test::kContinuous, Test::kApt, Test::kReplay, Test::kReplay,
                          Test::kPrediction}) {
    status_.CountAlarm(test);
  }
  const v1::Source now = status_.Snapshot();
  EXPECT_EQ(now.rct_failures(), 2u);
  EXPECT_EQ(now.apt_failures(), 1u);
  EXPECT_EQ(now.lag_failures(), 3u);
}

TEST_F(SourceStatusTest, RateIsAnAverageOverTwoSeconds) {
  status_.AddRawBytes(3000);
  status_.MeasureRate(clock_.NowNanos() + 1'999'999'999);
  EXPECT_EQ(status_.Snapshot().raw_bytes_per_second(), 0);
  status_.MeasureRate(clock_.NowNanos() + 2'000'000'000);
  EXPECT_DOUBLE_EQ(status_.Snapshot().raw_bytes_per_second(), 1500);
}

}  // namespace
}  // namespace entropyd
