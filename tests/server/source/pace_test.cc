#include "server/source/pace.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

constexpr int64_t kStart = 5 * kSecondNanos;

TEST(PaceTest, ReadsRunAheadByAGrainAtMost) {
  Pace pace;
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::ZeroDuration());
  pace.Count(2);  // 2 ms at this rate
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::ZeroDuration());
  pace.Count(1);
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::Milliseconds(3));
  EXPECT_EQ(pace.UntilAllowed(1000, kStart + kMillisecondNanos), absl::ZeroDuration());
}

TEST(PaceTest, TimeInWhichNothingWasReadIsNotMadeUpFor) {
  Pace pace;
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::ZeroDuration());
  EXPECT_EQ(pace.UntilAllowed(1000, kStart + kSecondNanos), absl::ZeroDuration());
  pace.Count(10);
  EXPECT_EQ(pace.UntilAllowed(1000, kStart + kSecondNanos), absl::Milliseconds(10));
}

TEST(PaceTest, AnotherRateBeginsAnew) {
  Pace pace;
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::ZeroDuration());
  pace.Count(1000);
  EXPECT_EQ(pace.UntilAllowed(1000, kStart), absl::Seconds(1));
  EXPECT_EQ(pace.UntilAllowed(2000, kStart), absl::ZeroDuration());
}

}  // namespace
}  // namespace entropyd
