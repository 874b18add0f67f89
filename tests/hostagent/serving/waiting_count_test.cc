#include "hostagent/serving/waiting_count.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(WaitingCountTest, WhoWaitsCountsOnceAndNoMoreWhenItLeaves) {
  WaitingCount waiting;
  WaitingCount::Wait one, two;
  waiting.Note(&one, 0);
  waiting.Note(&one, 5);
  waiting.Note(&two, 5);
  EXPECT_EQ(waiting.count(), 2u);
  waiting.Leaves(&one);
  waiting.Leaves(&one);
  EXPECT_EQ(waiting.count(), 1u);
}

TEST(WaitingCountTest, WhoWasServedCountsForAMomentMore) {
  WaitingCount waiting;
  WaitingCount::Wait waits, served, never;
  waiting.Note(&waits, 0);
  waiting.Note(&served, 0);
  const auto recount = [&](int64_t now) {
    waiting.Recount(&waits, true, now);
    waiting.Recount(&served, false, now);
    waiting.Recount(&never, false, now);
    return waiting.count();
  };
  EXPECT_EQ(recount(WaitingCount::kMemoryNanos - 1), 2u);
  EXPECT_EQ(recount(WaitingCount::kMemoryNanos), 1u);
  EXPECT_EQ(recount(9 * WaitingCount::kMemoryNanos), 1u) << "however long it waits";
}

TEST(WaitingCountTest, ARecountIsDueOnceAPeriod) {
  WaitingCount waiting;
  const int64_t start = 100 * kSecondNanos;
  EXPECT_TRUE(waiting.RecountIsDue(start));
  EXPECT_FALSE(waiting.RecountIsDue(start));
  EXPECT_FALSE(waiting.RecountIsDue(start + WaitingCount::kRecountNanos - 1));
  EXPECT_TRUE(waiting.RecountIsDue(start + WaitingCount::kRecountNanos));
}

}  // namespace
}  // namespace entropyd
