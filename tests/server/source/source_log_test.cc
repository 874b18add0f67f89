#include "server/source/source_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process/clock.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;

class SourceLogTest : public ::testing::Test {
 protected:
  void Advance(int64_t seconds) {
    for (int64_t i = 0; i < seconds; ++i) {
      now_ += kSecondNanos;
      lines_.Tick(now_);
    }
  }
  void State(v1::SourceState state) { lines_.State(state, "why", "device", now_); }
  void Flap() {
    State(v1::SOURCE_STATE_GONE);
    Advance(1);
    State(v1::SOURCE_STATE_STARTING);
    Advance(1);
  }
  std::vector<std::string> Events() {
    const std::vector<std::string> events = log_.events();
    log_.Clear();
    return events;
  }

  const ManualClock clock_{kSecondNanos};
  FakeLog log_{&clock_};
  SourceLog lines_{"trng0", &log_};
  int64_t now_ = kSecondNanos;
};

TEST_F(SourceLogTest, EachStateHasItsLine) {
  State(v1::SOURCE_STATE_STARTING);
  State(v1::SOURCE_STATE_HEALTHY);
  State(v1::SOURCE_STATE_QUARANTINED);
  State(v1::SOURCE_STATE_LATCHED);
  State(v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Events(), ElementsAre("source.starting", "source.healthy", "source.quarantined",
                                    "source.latched", "source.gone"));
  lines_.Root("device 10:183", "");
  lines_.Test(false);
  lines_.Test(true);
  EXPECT_THAT(Events(), ElementsAre("source.root", "source.tested", "source.reset"));
}

TEST_F(SourceLogTest, FlappingIsToldOnceAndItsEndToo) {
  for (int i = 0; i < 100; ++i) Flap();
  EXPECT_THAT(Events(), ElementsAre("source.gone", "source.starting", "source.gone",
                                    "source.starting", "source.flapping"));
  State(v1::SOURCE_STATE_HEALTHY);
  Advance(59);
  EXPECT_THAT(Events(), ElementsAre());
  Advance(1);
  EXPECT_THAT(Events(), ElementsAre("source.settled"));
  Advance(1000);
  State(v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Events(), ElementsAre("source.gone")) << "once more is no flapping";
}

TEST_F(SourceLogTest, AFailedTestIsToldWhileTheSourceFlaps) {
  for (int i = 0; i < 3; ++i) Flap();
  Events();
  State(v1::SOURCE_STATE_QUARANTINED);
  State(v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(Events(), ElementsAre("source.quarantined", "source.latched"));
}

TEST_F(SourceLogTest, GoingNowAndThenIsNoFlapping) {
  for (int i = 0; i < 20; ++i) {
    State(v1::SOURCE_STATE_GONE);
    State(v1::SOURCE_STATE_STARTING);
    Advance(31);
  }
  EXPECT_EQ(Events().size(), 40u);
}

TEST_F(SourceLogTest, ThreeTimesWithinTheMinuteCountAndThreeInMoreDoNot) {
  for (const int64_t seconds : {30, 30, 0}) {
    State(v1::SOURCE_STATE_GONE);
    Advance(seconds);
  }
  EXPECT_THAT(Events(), ElementsAre("source.gone", "source.gone", "source.flapping"));
}

}  // namespace
}  // namespace entropyd
