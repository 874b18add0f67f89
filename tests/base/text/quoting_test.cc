#include "base/text/quoting.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

TEST(QuotingTest, AWordOfAShellIsQuotedWhenItHasTo) {
  EXPECT_EQ(ShellWord("/run/entropyd/egd.sock"), "/run/entropyd/egd.sock");
  EXPECT_EQ(ShellWord("socket,id=egd,path=/a"), "socket,id=egd,path=/a");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("/a b"), "'/a b'");
  EXPECT_EQ(ShellWord("/a&b"), "'/a&b'");
  EXPECT_EQ(ShellWord("/it's $x"), "'/it'\\''s $x'");
}

TEST(QuotingTest, ACommaOfAValueIsDoubledForQemu) {
  EXPECT_EQ(QemuValue("/a/b"), "/a/b");
  EXPECT_EQ(QemuValue("/a,b,,c"), "/a,,b,,,,c");
}

TEST(QuotingTest, AnAttributeOfXmlEndsNowhere) {
  EXPECT_EQ(XmlAttribute("/a/b c"), "/a/b c");
  EXPECT_EQ(XmlAttribute("&<>'\""), "&amp;&lt;&gt;&apos;&quot;");
}

}  // namespace
}  // namespace entropyd
