#include "client/ctl/figure_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Complaint(const std::vector<std::string>& words) {
  const auto figures = ParseFigureArguments(words);
  EXPECT_FALSE(figures.ok());
  return std::string(figures.status().message());
}

TEST(FigureArgumentsTest, EachKeyHasTheUnitsOfTheConfiguration) {
  const auto figures = ParseFigureArguments(
      {"rate=16KiB/s", "ceil=1MiB/s", "burst=64KiB", "cburst=1MiB", "weight=2.5", "prio=3"});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->rate(), 16u << 10);
  EXPECT_EQ(figures->ceil(), 1u << 20);
  EXPECT_EQ(figures->burst(), 64u << 10);
  EXPECT_EQ(figures->cburst(), 1u << 20);
  EXPECT_EQ(figures->weight(), 2.5);
  EXPECT_EQ(figures->prio(), 3u);
}

TEST(FigureArgumentsTest, WhatIsNotGivenStaysUnset) {
  const auto figures = ParseFigureArguments({"ceil=none"});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_TRUE(figures->has_ceil());
  EXPECT_EQ(figures->ceil(), 0u);
  EXPECT_FALSE(figures->has_rate());
  EXPECT_FALSE(figures->has_prio());
}

TEST(FigureArgumentsTest, AWrongWordIsNamedWithItsRemedy) {
  EXPECT_THAT(Complaint({"prio=1", "ciel=1MiB/s"}),
              AllOf(HasSubstr("ciel=1MiB/s: unknown key"), HasSubstr("did you mean 'ceil'")));
  EXPECT_THAT(Complaint({"ceil=8KB/s"}), HasSubstr("write e.g. 8KiB/s"));
  EXPECT_THAT(Complaint({"ceil=0B/s"}), HasSubstr("ceil=none"));
  EXPECT_THAT(Complaint({"prio=8"}), HasSubstr("the most is 7"));
  EXPECT_THAT(Complaint({"burst=0"}), HasSubstr("too small"));
  EXPECT_THAT(Complaint({"rate=none"}), HasSubstr("rate=none: "));
  EXPECT_THAT(Complaint({"fast"}), HasSubstr("is no KEY=VALUE"));
  EXPECT_THAT(Complaint({"prio=1", "prio=2"}), HasSubstr("given twice"));
}

TEST(FigureArgumentsTest, AFigureThatIsWrittenAsAnOptionIsShownAsOne) {
  EXPECT_EQ(FigureHint({"classes", "set", "p/gold", "--rate", "5MiB/s"}), "; write rate=5MiB/s");
  EXPECT_EQ(FigureHint({"p/gold", "--ceil=none"}), "; write ceil=none");
  EXPECT_EQ(FigureHint({"p/gold", "--prio"}), "; write prio=");
  EXPECT_EQ(FigureHint({"p/gold", "rate=5MiB/s", "--speed", "1"}), "");
}

}  // namespace
}  // namespace entropyd
