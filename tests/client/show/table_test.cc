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

TEST(TableTest, EmptyMeansNoRows) {
  Table table({"A"});
  EXPECT_TRUE(table.empty());
  table.Add({"1"});
  EXPECT_FALSE(table.empty());
}

}  // namespace
}  // namespace entropyd
