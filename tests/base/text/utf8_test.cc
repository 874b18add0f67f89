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

}  // namespace
}  // namespace entropyd
