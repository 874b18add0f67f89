#include "base/process/clock.h"

#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(SystemClockTest, NeverGoesBackAndFollowsCivilTime) {
  SystemClock clock;
  int64_t before = clock.NowNanos();
  EXPECT_GE(before, 0);
  for (int i = 0; i < 1000; ++i) {
    int64_t now = clock.NowNanos();
    ASSERT_GE(now, before);
    before = now;
  }
  EXPECT_LT(absl::AbsDuration(clock.WallTime() - absl::Now()), absl::Minutes(1));
}

TEST(ManualClockTest, MovesOnlyWhenTold) {
  ManualClock clock(5, absl::FromUnixSeconds(1000));
  EXPECT_EQ(clock.NowNanos(), 5);
  EXPECT_EQ(clock.NowNanos(), 5);
  clock.Advance(absl::Seconds(2));
  clock.AdvanceNanos(7);
  EXPECT_EQ(clock.NowNanos(), 2'000'000'012);
  EXPECT_EQ(clock.WallTime(), absl::FromUnixSeconds(1002) + absl::Nanoseconds(12));
}

}  // namespace
}  // namespace entropyd
