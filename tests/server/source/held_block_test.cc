#include "server/source/held_block.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace entropyd {
namespace {

// Blocks of 8 bytes with a tail of 3.
class HeldBlockTest : public ::testing::Test {
 protected:
  void Append(std::vector<uint8_t> bytes) { held_.Append(bytes); }
  std::vector<uint8_t> Passed() { return {held_.passed().begin(), held_.passed().end()}; }

  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4096, SecretArena::Locking::kBestEffort).value();
  HeldBlock held_{arena_->Allocate(11).value(), 8, 3};
};

TEST_F(HeldBlockTest, ClosesWithItsLastByteAndHoldsTheTailBack) {
  EXPECT_EQ(held_.room(), 8u);
  Append({1, 2, 3, 4, 5, 6, 7});
  EXPECT_FALSE(held_.closed());
  Append({8});
  EXPECT_TRUE(held_.closed());
  EXPECT_EQ(Passed(), (std::vector<uint8_t>{1, 2, 3, 4, 5}));
}

TEST_F(HeldBlockTest, TailLeavesWithTheNextBlock) {
  Append({1, 2, 3, 4, 5, 6, 7, 8});
  held_.KeepTail();
  EXPECT_EQ(held_.bytes(), 3u);
  EXPECT_EQ(held_.room(), 8u);
  Append({9, 10, 11, 12, 13, 14, 15, 16});
  EXPECT_EQ(Passed(), (std::vector<uint8_t>{6, 7, 8, 9, 10, 11, 12, 13}));
}

TEST_F(HeldBlockTest, WhatIsDroppedIsWiped) {
  Append({1, 2, 3, 4, 5, 6, 7, 8});
  const absl::Span<const uint8_t> memory = held_.passed();
  held_.Drop();
  EXPECT_EQ(held_.bytes(), 0u);
  EXPECT_EQ(std::vector<uint8_t>(memory.begin(), memory.end()), std::vector<uint8_t>(5, 0));
}

TEST_F(HeldBlockTest, WhatHasPassedIsWiped) {
  Append({1, 2, 3, 4, 5, 6, 7, 8});
  const absl::Span<const uint8_t> memory = held_.passed();
  held_.KeepTail();
  EXPECT_EQ(std::vector<uint8_t>(memory.begin(), memory.end()),
            (std::vector<uint8_t>{6, 7, 8, 0, 0}));
}

}  // namespace
}  // namespace entropyd
