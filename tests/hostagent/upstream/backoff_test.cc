#include "hostagent/upstream/backoff.h"

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(BackoffTest, TheCeilingDoublesFromOneSecondToThirty) {
  Backoff backoff([] { return 0.5; });
  for (int64_t seconds : {1, 2, 4, 8, 16, 30, 30, 30}) {
    EXPECT_EQ(backoff.ceiling_nanos(), seconds * kSecondNanos);
    EXPECT_EQ(backoff.NextNanos(), seconds * kSecondNanos / 2);
  }
}

TEST(BackoffTest, TheJitterIsFullFromZeroToTheCeiling) {
  double next = 0;
  Backoff backoff([&next] { return next; });
  EXPECT_EQ(backoff.NextNanos(), 0);
  next = 0.999999;
  const int64_t ceiling = backoff.ceiling_nanos();
  EXPECT_GT(backoff.NextNanos(), ceiling - ceiling / 1000);
}

TEST(BackoffTest, ResetBeginsAnew) {
  Backoff backoff([] { return 0.5; });
  for (int i = 0; i < 10; ++i) backoff.NextNanos();
  backoff.Reset();
  EXPECT_EQ(backoff.ceiling_nanos(), kSecondNanos);
}

TEST(BackoffTest, DaysOfFailuresDoNotOverflow) {
  Backoff backoff([] { return 0.5; });
  for (int i = 0; i < 100'000; ++i) ASSERT_GE(backoff.NextNanos(), 0);
  EXPECT_EQ(backoff.ceiling_nanos(), 30 * kSecondNanos);
}

}  // namespace
}  // namespace entropyd
