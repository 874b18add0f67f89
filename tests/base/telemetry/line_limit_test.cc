#include "base/telemetry/line_limit.h"

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
  EXPECT_EQ(limit.Ask("0", 0), 0u) << "nor has one that had to go";
  EXPECT_EQ(limit.Ask("again", kEvery), 1u) << "silent ones have made room";
  EXPECT_EQ(limit.Ask("and again", kEvery), 1u);
}

TEST(LineLimitTest, AKeyThatComesOftenIsNamedWithItsOwnCountInAFloodOfOthers) {
  LineLimit limit;
  uint64_t asked = 0;
  LineCount named;
  for (int step = 1; step < 3 * 4096 && named == 0; ++step) {
    const int64_t now = step * (kEvery / 4096);
    limit.Ask(absl::StrCat("other ", step), now);
    if (step < 2048 || step % 100 != 0) continue;
    ++asked;
    named = limit.Ask("heavy", now);
  }
  EXPECT_EQ(named, asked);
  EXPECT_GE(asked, 40u) << "as a newcomer it had to wait";
  EXPECT_STREQ(named.key(), "count");
}

TEST(LineLimitTest, AFloodOfKeysThatComeOnceIsOneLineInTenSeconds) {
  LineLimit limit;
  int lines = 0;
  for (int step = 1; step < 3 * 4096; ++step) {
    if (limit.Ask(absl::StrCat(step), step * (kEvery / 4096)) > 0) ++lines;
  }
  EXPECT_EQ(lines, static_cast<int>(LineLimit::kMaxKeys) + 3);
}

TEST(LineLimitTest, WhatHadToGoIsCountedByTheNextLineOfANewcomer) {
  LineLimit limit;
  uint64_t told = 0;
  for (int i = 0; i < 5000; ++i) told += limit.Ask(absl::StrCat(i), 0);
  EXPECT_EQ(told, LineLimit::kMaxKeys + 1);
  const LineCount next = limit.Ask("next", kEvery);
  EXPECT_STREQ(next.key(), "count_and_others");
  // But for those that are still there: 1,023 of the last 1,024.
  EXPECT_EQ(told + next, 5001 - (LineLimit::kMaxKeys - 1));
  EXPECT_STREQ(limit.Ask("after that", 3 * kEvery).key(), "count_and_others");
}

}  // namespace
}  // namespace entropyd
