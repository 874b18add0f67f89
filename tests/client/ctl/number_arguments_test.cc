#include "client/ctl/number_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace entropyd {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMax = 1 << 20;

TEST(NumberArgumentsTest, ASizeIsANumberOfBytesOrHasAUnit) {
  EXPECT_EQ(ParseSizeArgument("1", kMax).value(), 1u);
  EXPECT_EQ(ParseSizeArgument("65536", kMax).value(), 65536u);
  EXPECT_EQ(ParseSizeArgument("64KiB", kMax).value(), 65536u);
  EXPECT_EQ(ParseSizeArgument("1MiB", kMax).value(), kMax);
}

TEST(NumberArgumentsTest, ASizeOfNothingOrAboveTheMostIsRefused) {
  for (const char* text : {"0", "0B"}) {
    EXPECT_EQ(ParseSizeArgument(text, kMax).status(),
              absl::InvalidArgumentError("0 is too small; the least is 1B"))
        << text;
  }
  for (const char* text : {"1048577", "1GiB", "99999999999999999999"}) {
    EXPECT_EQ(ParseSizeArgument(text, kMax).status(),
              absl::InvalidArgumentError(std::string(text) + " is too large; the most is 1MiB"))
        << text;
  }
}

TEST(NumberArgumentsTest, TheMostIsToldAsItMayBeWritten) {
  for (const uint64_t most : {uint64_t{1} << 40, uint64_t{3} << 20, uint64_t{1000}}) {
    const std::string why(ParseSizeArgument("99999999999999999999", most).status().message());
    EXPECT_EQ(ParseSizeArgument(why.substr(why.rfind(' ') + 1), most).value(), most) << why;
  }
}

TEST(NumberArgumentsTest, WhatIsNoSizeIsRefusedWithAnExample) {
  for (const char* text : {"", "x", "-1", "8KB", "1.5"}) {
    const absl::Status status = ParseSizeArgument(text, kMax).status();
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

TEST(NumberArgumentsTest, AWholeNumberHasNoFraction) {
  for (const char* text : {"1", "77", "3600"}) {
    EXPECT_TRUE(CheckWholeNumberArgument(text, 1, 3600).ok()) << text;
  }
  for (const char* text : {"0", "3601", "-1", "1.5", "x", "", "99999999999999999999"}) {
    EXPECT_EQ(
        CheckWholeNumberArgument(text, 1, 3600),
        absl::InvalidArgumentError(std::string(text) + " is not a whole number between 1 and 3600"))
        << text;
  }
}

TEST(NumberArgumentsTest, TheMostIsToldInItsLargestUnit) {
  const auto told = [](uint64_t most) {
    return std::string(ParseSizeArgument("99TiB", most).status().message());
  };
  EXPECT_EQ(told(uint64_t{1} << 40), "99TiB is too large; the most is 1TiB");
  EXPECT_EQ(told(uint64_t{3} << 30), "99TiB is too large; the most is 3GiB");
}

}  // namespace
}  // namespace entropyd
