#include "server/driver/rdrand_driver.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

int gets = 0;

TEST(RdrandTest, ProcessorThatRepeatsOneValueIsRefused) {
  RdrandDriver driver([](uint64_t* word) {
    *word = UINT64_MAX;
    return true;
  });
  EXPECT_EQ(driver.Open().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(RdrandTest, TenTriesWithoutAValueAreAnError) {
  gets = 0;
  RdrandDriver driver([](uint64_t*) {
    ++gets;
    return false;
  });
  EXPECT_TRUE(absl::IsUnavailable(driver.Open().status()));
  EXPECT_EQ(gets, 10);
  uint8_t bytes[8];
  EXPECT_TRUE(absl::IsUnavailable(driver.Read(absl::MakeSpan(bytes)).status()));
}

TEST(RdrandTest, ValueAtTheTenthTryIsUsed) {
  gets = 0;
  RdrandDriver driver([](uint64_t* word) {
    *word = static_cast<uint64_t>(gets);
    return ++gets % 10 == 0;
  });
  uint8_t bytes[16];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 16u);
  EXPECT_EQ(bytes[0], 9);
  EXPECT_EQ(bytes[8], 19);
}

TEST(RdrandTest, FailureHalfWayGivesWhatThereIs) {
  gets = 0;
  RdrandDriver driver([](uint64_t* word) {
    *word = 1;
    return ++gets == 1;
  });
  uint8_t bytes[16];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 8u);
}

TEST(RdrandTest, CreditIsOneReseedingPer64KiB) {
  EXPECT_DOUBLE_EQ(RdrandDriver::Identify({}).claims.min_entropy * 65536, 256);
}

}  // namespace
}  // namespace entropyd
