#include "client/ctl/number_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace entropyd {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMost = 1 << 20;

TEST(NumberArgumentsTest, ASizeIsANumberOfBytesOrHasAUnit) {
  EXPECT_EQ(ParseSizeArgument("1", kMost).value(), 1u);
  EXPECT_EQ(ParseSizeArgument("65536", kMost).value(), 65536u);
  EXPECT_EQ(ParseSizeArgument("64KiB", kMost).value(), 65536u);
  EXPECT_EQ(ParseSizeArgument("1MiB", kMost).value(), kMost);
}

TEST(NumberArgumentsTest, ASizeOfNothingOrAboveTheMostIsRefused) {
  for (const char* text : {"0", "0B", "1048577", "1GiB"}) {
    EXPECT_EQ(ParseSizeArgument(text, kMost).status(),
              absl::InvalidArgumentError(std::string(text) + " is not between 1 B and 1 MiB"))
        << text;
  }
}

TEST(NumberArgumentsTest, WhatIsNoSizeIsRefusedWithAnExample) {
  for (const char* text : {"", "x", "-1", "8KB", "1.5"}) {
    const absl::Status status = ParseSizeArgument(text, kMost).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("write")) << text;
  }
}

TEST(NumberArgumentsTest, ANumberMayBeEitherBound) {
  for (const char* text : {"0.1", "1", "3600", "3.6e3"}) {
    EXPECT_TRUE(CheckNumberArgument(text, 0.1, 3600).ok()) << text;
  }
}

TEST(NumberArgumentsTest, ANumberBesideTheBoundsOrBesideAllNumbersIsRefused) {
  for (const char* text : {"0.09", "3600.1", "-1", "inf", "nan", "x", ""}) {
    EXPECT_EQ(
        CheckNumberArgument(text, 0.1, 3600),
        absl::InvalidArgumentError(std::string(text) + " is not a number between 0.1 and 3600"))
        << text;
  }
}

}  // namespace
}  // namespace entropyd
