#include "client/show/text_diff.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

std::string Diff(absl::string_view before, absl::string_view after) {
  return UnifiedDiff("a", before, "b", after);
}

std::string Numbers(int from, int to) {
  std::string text;
  for (int i = from; i <= to; ++i) absl::StrAppend(&text, i, "\n");
  return text;
}

TEST(TextDiffTest, TheSameIsNoDifference) {
  EXPECT_EQ(Diff("", ""), "");
  EXPECT_EQ(Diff("1\n2\n", "1\n2\n"), "");
}

TEST(TextDiffTest, AChangeStandsBetweenThreeLinesOfContext) {
  EXPECT_EQ(Diff(Numbers(1, 9), absl::StrCat(Numbers(1, 4), "five\n", Numbers(6, 9))),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(TextDiffTest, WhatIsAddedToNothingBeginsAtLineZero) {
  EXPECT_EQ(Diff("", "x\n"), "--- a\n+++ b\n@@ -0,0 +1,1 @@\n+x\n");
  EXPECT_EQ(Diff("x\n", ""), "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-x\n");
}

TEST(TextDiffTest, ChangesFarApartAreHunksOfTheirOwnAndNearOnesShareOne) {
  const std::string far =
      Diff(Numbers(1, 30), absl::StrCat(Numbers(2, 20), "x\n", Numbers(21, 30)));
  EXPECT_EQ(far,
            "--- a\n+++ b\n@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n"
            "@@ -18,6 +17,7 @@\n 18\n 19\n 20\n+x\n 21\n 22\n 23\n");
  const std::string near =
      Diff(Numbers(1, 9), absl::StrCat("x\n", Numbers(1, 6), "y\n", Numbers(7, 9)));
  EXPECT_EQ(near, "--- a\n+++ b\n@@ -1,9 +1,11 @@\n+x\n 1\n 2\n 3\n 4\n 5\n 6\n+y\n 7\n 8\n 9\n");
}

TEST(TextDiffTest, TheLongestCommonLinesStay) {
  EXPECT_EQ(Diff("a\nb\nc\nd\n", "b\nx\nc\nd\na\n"),
            "--- a\n+++ b\n@@ -1,4 +1,5 @@\n-a\n b\n+x\n c\n d\n+a\n");
}

}  // namespace
}  // namespace entropyd
