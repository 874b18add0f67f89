#include "base/crypto/kernel_random.h"

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(KernelRandomTest, FillsAllOfTheBufferHoweverLong) {
  // Longer than one call gives at most: getrandom(2) stops at 33,554,431 bytes.
  std::vector<uint8_t> bytes((size_t{1} << 25) + 4096, 0);
  ASSERT_TRUE(FillFromKernel(absl::MakeSpan(bytes)));
  // 64 zeros in a row come once in 2^512.
  EXPECT_FALSE(std::all_of(bytes.end() - 64, bytes.end(), [](uint8_t b) { return b == 0; }));
  EXPECT_FALSE(std::all_of(bytes.begin(), bytes.begin() + 64, [](uint8_t b) { return b == 0; }));
}

TEST(KernelRandomTest, TwoFillsDiffer) {
  std::vector<uint8_t> first(48), second(48);
  ASSERT_TRUE(FillFromKernel(absl::MakeSpan(first)));
  ASSERT_TRUE(FillFromKernel(absl::MakeSpan(second)));
  EXPECT_NE(first, second);
}

TEST(KernelRandomTest, NothingIsFilledForAnEmptyBuffer) { EXPECT_TRUE(FillFromKernel({})); }

}  // namespace
}  // namespace entropyd
