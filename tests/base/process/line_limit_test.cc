#include "base/process/line_limit.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr int64_t kEvery = LineLimit::kEveryNanos;

TEST(LineLimitTest, TheFirstHasALineAndTheNextOneTellsHowManyItStandsFor) {
  LineLimit limit;
  EXPECT_EQ(limit.Ask("a", 0), 1u);
  EXPECT_EQ(limit.Ask("a", 1), 0u);
  EXPECT_EQ(limit.Ask("a", kEvery - 1), 0u);
  EXPECT_EQ(limit.Ask("a", kEvery), 3u);
  EXPECT_EQ(limit.Ask("a", 2 * kEvery - 1), 0u);
  EXPECT_EQ(limit.Ask("a", 10 * kEvery), 2u);
}

TEST(LineBudgetTest, GivesTheMostLinesAtOnceAndThenOneThatTellsOfTheRest) {
  LineBudget budget;
  EXPECT_TRUE(budget.rested(0));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budget.Ask(i, 3), 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(budget.Ask(3, 3), 0u);
  EXPECT_FALSE(budget.rested(kEvery - 1));
  EXPECT_EQ(budget.Ask(kEvery - 1, 3), 0u);
  EXPECT_TRUE(budget.rested(kEvery));
  EXPECT_EQ(budget.Ask(kEvery, 3), 7u);
  for (int i = 1; i < 3; ++i) EXPECT_EQ(budget.Ask(kEvery, 3), 1u);
  EXPECT_EQ(budget.Ask(kEvery, 3), 0u);
}

TEST(LineLimitTest, KeysDoNotSilenceOneAnother) {
  LineLimit limit;
  EXPECT_EQ(limit.Ask("a", 0), 1u);
  EXPECT_EQ(limit.Ask("b", 0), 1u);
  EXPECT_EQ(limit.Ask("a", 0), 0u);
}

TEST(LineLimitTest, WithTooManyKeysNewOnesShareALine) {
  LineLimit limit;
  for (size_t i = 0; i < LineLimit::kMaxKeys; ++i) EXPECT_EQ(limit.Ask(absl::StrCat(i), 0), 1u);
  EXPECT_EQ(limit.Ask("one more", 0), 1u);
  EXPECT_EQ(limit.Ask("and another", 0), 0u);
  EXPECT_EQ(limit.Ask("0", 0), 0u) << "those that are known keep theirs";
  EXPECT_EQ(limit.Ask("again", kEvery), 1u) << "silent ones have made room";
  EXPECT_EQ(limit.Ask("and again", kEvery), 1u);
}

}  // namespace
}  // namespace entropyd
