#include "base/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace entropyd {
namespace {

TEST(Utf8Test, ACharacterHasOneToFourBytes) {
  EXPECT_EQ(Utf8Length("x"), 1u);
  EXPECT_EQ(Utf8Length("é!"), 2u);
  EXPECT_EQ(Utf8Length("€!"), 3u);
  EXPECT_EQ(Utf8Length("😀!"), 4u);
}

TEST(Utf8Test, WhatIsNotWellFormedHasNoLength) {
  for (const char* text : {"\x80", "\xc3", "\xc3x", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_EQ(Utf8Length(text), 0u) << text;
  }
}

TEST(Utf8Test, ACutIsNeverWithinACharacter) {
  const std::string text = "a€b😀";  // 1, 3, 1 and 4 bytes
  EXPECT_EQ(CutUtf8(text, 0), "");
  EXPECT_EQ(CutUtf8(text, 1), "a");
  EXPECT_EQ(CutUtf8(text, 2), "a");
  EXPECT_EQ(CutUtf8(text, 3), "a");
  EXPECT_EQ(CutUtf8(text, 4), "a€");
  EXPECT_EQ(CutUtf8(text, 5), "a€b");
  EXPECT_EQ(CutUtf8(text, 8), "a€b");
  EXPECT_EQ(CutUtf8(text, 9), text);
  EXPECT_EQ(CutUtf8(text, 100), text);
}

TEST(Utf8Test, WhatIsNoUtf8IsCutAtTheLimit) {
  const std::string text(10, '\x80');
  EXPECT_EQ(CutUtf8(text, 8).size(), 8u);
  EXPECT_EQ(CutUtf8(text, 2).size(), 2u);
  EXPECT_EQ(CutUtf8(text, 0).size(), 0u);
}

TEST(Utf8Test, EachByteThatIsNoUtf8IsReplaced) {
  EXPECT_EQ(ReplaceInvalidUtf8("a€b😀"), "a€b😀");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xff\xe2\x82z"), "a\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(ReplaceInvalidUtf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ReplaceInvalidUtf8(absl::string_view("\0\x80", 2)), std::string("\0\uFFFD", 4));
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
}

TEST(Utf8Test, WhatATerminalMayShowHasALength) {
  for (const char* text : {" ", "x", "~", "é", "€", "😀", "\u200d", "\u0600", "\uff9f"}) {
    EXPECT_EQ(PrintableLength(text), Utf8Length(text)) << text;
  }
}

TEST(Utf8Test, WhatSteersTurnsOrHidesHasNone) {
  for (const char* text : {"\x1b", "\n", "\x7f", "\xc2\x80", "\xc2\x9f", "\u061c", "\u200b",
                           "\u200e", "\u2028", "\u2029", "\u202a", "\u202e", "\u2066", "\u2069",
                           "\ufeff", "\ufff9", "\U000e0041", "\xff"}) {
    EXPECT_EQ(PrintableLength(text), 0u) << text;
  }
  EXPECT_EQ(PrintableLength(absl::string_view("\0", 1)), 0u);
}

TEST(Utf8Test, ACharacterIsReadAndWrittenAsJsonEscapesIt) {
  EXPECT_EQ(JsonEscape(FirstCharacter("\x1b[")), "\\u001b");
  EXPECT_EQ(JsonEscape(FirstCharacter("é")), "\\u00e9");
  EXPECT_EQ(JsonEscape(FirstCharacter("\u202e")), "\\u202e");
  EXPECT_EQ(JsonEscape(FirstCharacter("\U000e0041")), "\\udb40\\udc41");
}

}  // namespace
}  // namespace entropyd
