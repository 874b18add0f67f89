#include "server/driver/jitter_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace entropyd {
namespace {

using ::testing::HasSubstr;

uint64_t ticks = 0;

TEST(JitterTest, CounterThatIsTooRegularOrStandsStillIsRefused) {
  JitterDriver regular([] { return ticks += 100; });
  const absl::Status alike = regular.Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(alike)) << alike;
  EXPECT_THAT(std::string(alike.message()), HasSubstr("1024 of 1024 deltas are alike"));
  JitterDriver still([] { return uint64_t{5}; });
  EXPECT_THAT(std::string(still.Open().status().message()), HasSubstr("stands still"));
}

TEST(JitterTest, CounterThatBecomesRegularRepeatsItsWordsSoThatTheHealthTestsSee) {
  static bool regular;
  regular = false;
  JitterDriver driver([] {
    static std::mt19937_64 generator(1);
    return ticks += regular ? 100 : 100 + generator() % 50;
  });
  ASSERT_TRUE(driver.Open().ok());
  regular = true;
  uint8_t bytes[64];
  ASSERT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 64u);
  EXPECT_EQ(std::memcmp(bytes, bytes + 8, 56), 0);
}

TEST(JitterTest, WordDependsOnItsOwnDeltasOnly) {
  // The fold of the deltas 1, 2, 3 … 64, computed by hand for two words.
  static uint64_t delta, now;
  delta = now = 0;
  JitterDriver driver([] { return now += delta++; });
  ASSERT_TRUE(driver.Open().ok());
  const auto read_word = [&] {
    uint64_t word;
    EXPECT_EQ(driver.Read({reinterpret_cast<uint8_t*>(&word), sizeof(word)}).value(), 8u);
    return word;
  };
  for (int i = 0; i < 2; ++i) {
    uint64_t expected = 0;
    uint64_t next = delta + 1;  // one reading begins the read
    for (int k = 0; k < 64; ++k) expected = (expected << 7 | expected >> 57) ^ next++;
    EXPECT_EQ(read_word(), expected);
  }
}

TEST(JitterTest, CreditIsOneBitAWord) {
  EXPECT_EQ(JitterDriver::Identify({}).claims.min_entropy * 8, 1);
  EXPECT_EQ(JitterDriver::Identify({}).claims.word_bytes, 8);
  EXPECT_LE(JitterDriver::Identify({}).claims.max_rate, 1024u);
}

}  // namespace
}  // namespace entropyd
