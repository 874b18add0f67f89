#include "client/show/output.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(OutputTest, TextFromOutsideCannotCommandTheTerminal) {
  EXPECT_EQ(OneLine("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(OneLine("bell\a del\x7f"), "bell\\x07 del\\x7f");
  EXPECT_EQ(OneLine("c1 \xc2\x9b[2J"), "c1 \\xc2\\x9b[2J");
  EXPECT_EQ(OneLine("no utf-8 \x9b[2J"), "no utf-8 \\x9b[2J");
}

TEST(OutputTest, TextFromOutsideCannotBeginALineOfItsOwn) {
  EXPECT_EQ(OneLine("kernel update\nhealthy"), "kernel update healthy");
  EXPECT_EQ(OneLine("kernel update\r\nhealthy"), "kernel update  healthy");
  EXPECT_EQ(IndentedLines("entropyctl: no\nentropyctl: yes\n  so\n"),
            "entropyctl: no\n  entropyctl: yes\n  so\n  ");
}

TEST(OutputTest, OrdinaryTextStaysAsItIs) {
  EXPECT_EQ(OneLine("caffè · 'a' \"b\" \\c …"), "caffè · 'a' \"b\" \\c …");
  EXPECT_EQ(Lines("one\n\ttwo\n"), "one\n\ttwo\n");
  EXPECT_EQ(Lines("one\r\n"), "one\\r\n");
  EXPECT_EQ(OneLine(""), "");
}

TEST(OutputTest, ASentenceGoesOnInTheNextLineWhereATerminalEnds) {
  EXPECT_EQ(Sentence("agent /run/control.sock is\nwell", 100), "agent /run/control.sock is well");
  EXPECT_EQ(Sentence("agent /run/control.sock is\nwell", 26), "agent /run/control.sock\n  is well");
}

TEST(OutputTest, AnOutputThatCannotBeWrittenIsAnError) {
  std::ostringstream fine;
  fine << "all";
  EXPECT_TRUE(FlushOutput(fine).ok());
  std::ofstream full("/dev/full");
  full << "all";
  EXPECT_TRUE(absl::IsDataLoss(FlushOutput(full)));
  const absl::Status again = FlushOutput(full);
  EXPECT_THAT(std::string(again.message()), testing::HasSubstr("No space left on device"))
      << "also of what an earlier flush could not write";
}

}  // namespace
}  // namespace entropyd
