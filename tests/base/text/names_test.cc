#include "base/text/names.h"

#include <string>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

std::string Complaint(absl::string_view name) { return std::string(CheckName(name).message()); }

TEST(NamesTest, LettersDigitsAndThreeSignsMakeAName) {
  for (const char* name : {"gold", "a", "Host-class_1.2", "0"}) {
    EXPECT_TRUE(CheckName(name).ok()) << name;
  }
  EXPECT_TRUE(CheckName(std::string(256, 'a')).ok());
  EXPECT_FALSE(CheckName("").ok());
}

TEST(NamesTest, TheFirstCharacterThatDoesNotFitIsTold) {
  EXPECT_EQ(Complaint("größe"),
            "'größe' has the character 'ö'; use letters, digits, '-', '_' and '.'");
  EXPECT_EQ(Complaint("a/b *"),
            "'a/b *' has the character '/'; use letters, digits, '-', '_' and '.'");
  EXPECT_EQ(Complaint("a\x1b[31m"),
            "'a\\x1b[31m' has the character '\\x1b'; use letters, digits, '-', '_' and '.'");
  EXPECT_EQ(Complaint("a\xff"),
            "'a\\xff' has the character '\\xff'; use letters, digits, '-', '_' and '.'");
  EXPECT_EQ(Complaint("a\xc2\x9b"),
            "'a\\xc2\\x9b' has the character '\\xc2'; use letters, digits, '-', '_' and '.'")
      << "a control character of two bytes";
  EXPECT_EQ(Complaint(std::string(257, 'a')),
            "'" + std::string(64, 'a') + "…' (257 bytes) is longer than 256 bytes");
}

TEST(NamesTest, APoolClassIsTwoNames) {
  EXPECT_TRUE(IsPoolClass("default/gold"));
  EXPECT_TRUE(IsPoolClass(std::string(256, 'a') + "/" + std::string(256, 'b')));
  EXPECT_FALSE(IsPoolClass(std::string(257, 'a') + "/b"));
  EXPECT_FALSE(IsPoolClass("a/" + std::string(257, 'b')));
  for (const char* name : {"", "/", "gold", "default/", "/gold", "a/b/c", "a/b ", "a/*"}) {
    EXPECT_FALSE(IsPoolClass(name)) << name;
  }
  EXPECT_FALSE(IsPoolClass(absl::string_view("a/b\0c", 5)));
}

TEST(NamesTest, APoolClassHasTwoParts) {
  ASSERT_TRUE(SplitPoolClass("default/gold").ok());
  EXPECT_EQ(SplitPoolClass("default/gold")->first, "default");
  EXPECT_EQ(SplitPoolClass("default/gold")->second, "gold");
  for (const char* name : {"gold", "/gold", "default/", ""}) {
    EXPECT_EQ(SplitPoolClass(name).status().message(),
              "'" + std::string(name) + "' is no POOL/CLASS; write e.g. default/gold");
  }
}

TEST(NamesTest, WhatIsNotUtf8IsTold) {
  EXPECT_TRUE(CheckUtf8("").ok());
  EXPECT_TRUE(CheckUtf8("größe\n€😀").ok());
  EXPECT_EQ(CheckUtf8("w\xff"), absl::InvalidArgumentError("'w\\xff' is not UTF-8"));
  EXPECT_EQ(CheckUtf8("\xe2\x82"), absl::InvalidArgumentError("'\\xe2\\x82' is not UTF-8"));
}

TEST(NamesTest, TextMayHoldWhatAPersonWrites) {
  EXPECT_TRUE(CheckText("").ok());
  EXPECT_TRUE(CheckText("Umzug nach Köln, 12:30 (\"rack 7\")").ok());
  EXPECT_TRUE(CheckText(std::string(256, 'a')).ok());
  EXPECT_FALSE(CheckText(std::string(257, 'a')).ok());
  for (const char* text : {"a\nb", "\x1b[2J", "a\xff", "\xc2\x9b", "\x7f"}) {
    EXPECT_FALSE(CheckText(text).ok()) << text;
  }
}

TEST(NamesTest, AnExcerptIsShortAndHasNothingThatControlsATerminal) {
  EXPECT_EQ(Excerpt("gold"), "'gold'");
  EXPECT_EQ(Excerpt("a\n'b'"), "'a\\n\\'b\\''");
  EXPECT_EQ(Excerpt(std::string(64, 'a')), "'" + std::string(64, 'a') + "'");
  EXPECT_EQ(Excerpt(std::string(60'000, 'a')), "'" + std::string(64, 'a') + "…' (60000 bytes)");
  // Cut in the middle of a character.
  EXPECT_EQ(Excerpt(std::string(63, 'a') + "öö"),
            "'" + std::string(63, 'a') + "\\xc3…' (67 bytes)");
}

TEST(NamesTest, WhatIsEscapedNeitherSteersATerminalNorTurnsItsLine) {
  EXPECT_EQ(EscapeControls("a\x1b[31m\xc2\x9b\u202eb\xff\n", ""),
            "a\\x1b[31m\\xc2\\x9b\\xe2\\x80\\xaeb\\xff\\n");
  EXPECT_EQ(EscapeControls("a\nb\u2028c", "\n"), "a\nb\\xe2\\x80\\xa8c");
  EXPECT_EQ(EscapeControls("Köln \"7\" \\", ""), "Köln \"7\" \\");
  EXPECT_FALSE(CheckText("vm\u202e1").ok());
}

}  // namespace
}  // namespace entropyd
