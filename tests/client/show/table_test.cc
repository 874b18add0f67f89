#include "client/show/table.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"NAME", "RATE>"});
  table.Add({"trng0", "1"});
  table.Add({"x", "12345"});
  EXPECT_EQ(table.ToString(),
            "NAME    RATE\n"
            "trng0      1\n"
            "x      12345\n");
}

TEST(TableTest, MissingCellsAreEmptyAndSurplusOnesDropped) {
  Table table({"A", "B"});
  table.Add({"1"});
  table.Add({"1", "2", "3"});
  EXPECT_EQ(table.ToString(), "A  B\n1\n1  2\n");
}

TEST(TableTest, ALineEndInACellDoesNotBreakTheTable) {
  Table table({"A"});
  table.Add({"one\ntwo"});
  EXPECT_EQ(table.ToString(), "A\none two\n");
}

TEST(TableTest, WidthCountsCharactersNotBytes) {
  Table table({"A", "B"});
  table.Add({"é", "1"});
  table.Add({"ab", "2"});
  EXPECT_EQ(table.ToString(), "A   B\né   1\nab  2\n");
}

TEST(TableTest, ATableThatFitsIsTheSameOnATerminal) {
  Table table({"NAME~", "PID?", "RATE>", "WHY|"});
  table.Add({"trng0", "1", "12345", "none"});
  const std::string whole =
      "NAME   PID   RATE  WHY\n"
      "trng0  1    12345  none\n";
  EXPECT_EQ(table.ToString(), whole);
  EXPECT_EQ(table.ToString(23), whole);
}

TEST(TableTest, OneBlankLessIsTheFirstThatANarrowTerminalCosts) {
  Table table({"NAME~", "PID?", "RATE>", "WHY|"});
  table.Add({"trng0", "1", "12345", "none"});
  const std::string close =
      "NAME  PID  RATE WHY\n"
      "trng0 1   12345 none\n";
  EXPECT_EQ(table.ToString(22), close);
  EXPECT_EQ(table.ToString(20), close);
}

TEST(TableTest, ThenColumnsThatMayGoAreLeftOutAndNamed) {
  Table table({"NAME~", "PID>?", "RATE>", "AGE?"});
  table.Add({"trng0", "100", "12345", "1 min"});
  EXPECT_EQ(table.ToString(17),
            "NAME   RATE AGE\n"
            "trng0 12345 1 min\n"
            "left out on this terminal: PID\n");
  EXPECT_EQ(table.ToString(11),
            "NAME   RATE\n"
            "trng0 12345\n"
            "left out on this terminal: PID, AGE\n");
}

TEST(TableTest, AColumnWithoutCellsIsLeftOutFirstAndNotNamed) {
  Table table({"NAME", "WHY|"});
  table.Add({"trng0", ""});
  EXPECT_EQ(table.ToString(), "NAME   WHY\ntrng0\n");
  EXPECT_EQ(table.ToString(5), "NAME\ntrng0\n");
}

TEST(TableTest, ThenIdentitiesLoseTheirBeginningForTheirEndTellsThemApart) {
  Table table({"AGENT~", "RATE>"});
  table.Add({"spiffe://dc1/agent/h7", "12345"});
  table.Add({"spiffe://dc1/agent/é8", "1"});
  EXPECT_EQ(table.ToString(20),
            "AGENT           RATE\n"
            "…/dc1/agent/h7 12345\n"
            "…/dc1/agent/é8     1\n");
}

TEST(TableTest, NothingIsCutToLessThanAPersonCanRead) {
  Table table({"AGENT~", "RATE>"});
  table.Add({"spiffe://dc1/agent/h7", "12345"});
  EXPECT_EQ(table.ToString(1), "AGENT       RATE\n…/agent/h7 12345\n");
}

TEST(TableTest, AReasonIsNeverCutButGoesOnBelow) {
  Table table({"NAME", "WHY|"});
  table.Add({"trng0", "it gave the same sample forty times"});
  table.Add({"trng1", ""});
  EXPECT_EQ(table.ToString(24),
            "NAME  WHY\n"
            "trng0 it gave the same\n"
            "      sample forty times\n"
            "trng1\n");
}

TEST(TableTest, EmptyMeansNoRows) {
  Table table({"A"});
  EXPECT_TRUE(table.empty());
  table.Add({"1"});
  EXPECT_FALSE(table.empty());
}

}  // namespace
}  // namespace entropyd
