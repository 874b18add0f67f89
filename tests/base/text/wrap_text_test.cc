#include "base/text/wrap_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::ElementsAre;

TEST(WrapTextTest, NoLineIsLongerThanTheTerminalIsWide) {
  EXPECT_THAT(WrapText("one two three", 13), ElementsAre("one two three"));
  EXPECT_THAT(WrapText("one two three", 12), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapText("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapText("one two three", 6), ElementsAre("one", "two", "three"));
}

TEST(WrapTextTest, AWordThatIsTooLongStaysWhole) {
  EXPECT_THAT(WrapText("a spiffe://dc1/agent/h7 b", 5),
              ElementsAre("a", "spiffe://dc1/agent/h7", "b"));
}

TEST(WrapTextTest, LinesOfTheTextStayLines) {
  EXPECT_THAT(WrapText("one\n\ntwo", 80), ElementsAre("one", "", "two"));
  EXPECT_THAT(WrapText("", 80), ElementsAre(""));
}

TEST(WrapTextTest, CharactersCountAndNotBytes) {
  EXPECT_THAT(WrapText("éé éé", 5), ElementsAre("éé éé"));
}

}  // namespace
}  // namespace entropyd
