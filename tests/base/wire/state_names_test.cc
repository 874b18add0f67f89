#include "base/wire/state_names.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(StateNamesTest, AStateIsCalledAsItsEnumeratorIs) {
  for (int i = v1::SourceState_MIN + 1; i <= v1::SourceState_MAX; ++i) {
    const auto state = static_cast<v1::SourceState>(i);
    EXPECT_EQ(absl::StrCat("SOURCE_STATE_", absl::AsciiStrToUpper(SourceStateName(state))),
              v1::SourceState_Name(state));
  }
}

TEST(StateNamesTest, AQualityIsCalledAsItsEnumeratorIs) {
  for (int i = v1::Quality_MIN + 1; i <= v1::Quality_MAX; ++i) {
    const auto quality = static_cast<v1::Quality>(i);
    EXPECT_EQ(absl::StrCat("QUALITY_", absl::AsciiStrToUpper(QualityName(quality))),
              v1::Quality_Name(quality));
  }
}

TEST(StateNamesTest, WhatANewerPeerSaysIsUnknown) {
  EXPECT_EQ(SourceStateName(static_cast<v1::SourceState>(v1::SourceState_MAX + 1)), "unknown");
  EXPECT_EQ(SourceStateName(v1::SOURCE_STATE_UNSPECIFIED), "unknown");
  EXPECT_EQ(QualityName(static_cast<v1::Quality>(v1::Quality_MAX + 1)), "unknown");
  EXPECT_EQ(QualityName(v1::QUALITY_UNSPECIFIED), "unknown");
}

TEST(StateNamesTest, AModeIsReadByTheNameThatItHas) {
  for (const ClassMode mode :
       {ClassMode::kUpstream, ClassMode::kLocal, ClassMode::kBlocked, ClassMode::kClosed}) {
    EXPECT_EQ(ParseClassMode(ClassModeName(mode)), mode) << ClassModeName(mode);
  }
  EXPECT_EQ(ClassModeName(ClassMode::kBlocked), "blocked");
}

TEST(StateNamesTest, NoOtherWordIsAMode) {
  for (const char* word : {"", "Local", "locals", "unknown"}) {
    EXPECT_EQ(ParseClassMode(word), absl::nullopt) << word;
  }
}

}  // namespace
}  // namespace entropyd
