#include "server/pool/block_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace entropyd {
namespace {

class BlockStoreTest : public ::testing::Test {
 protected:
  // Every byte of a block is `fill`.
  void Push(int group, uint8_t fill) {
    store_.Push(group, std::vector<uint8_t>(BlockStore::kBlockBytes, fill));
  }

  std::vector<uint8_t> Take(size_t n) {
    std::vector<uint8_t> out(n, 0);
    store_.XorOut(absl::MakeSpan(out));
    return out;
  }

  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(64 << 10, SecretArena::Locking::kBestEffort).value();
  BlockStore store_ = BlockStore::Create(arena_.get(), 4 * BlockStore::kBlockBytes + 5).value();
};

TEST_F(BlockStoreTest, M12_BytesLeaveInOrderAndOnce) {
  Push(0, 1);
  Push(0, 2);
  EXPECT_EQ(store_.bytes(), 2 * BlockStore::kBlockBytes);
  std::vector<uint8_t> expected(BlockStore::kBlockBytes, 1);
  expected.push_back(2);
  EXPECT_EQ(Take(BlockStore::kBlockBytes + 1), expected);
  EXPECT_EQ(store_.bytes(), BlockStore::kBlockBytes - 1);
  EXPECT_EQ(Take(BlockStore::kBlockBytes - 1),
            std::vector<uint8_t>(BlockStore::kBlockBytes - 1, 2));
  EXPECT_EQ(store_.bytes(), 0u);
}

TEST_F(BlockStoreTest, BytesAreXoredIntoTheOutput) {
  Push(0, 0x0f);
  std::vector<uint8_t> out(3, 0xff);
  store_.XorOut(absl::MakeSpan(out));
  EXPECT_EQ(out, std::vector<uint8_t>(3, 0xf0));
}

TEST_F(BlockStoreTest, FullAtItsWholeBlocksAndRoundsTheRing) {
  for (int round = 0; round < 5; ++round) {
    for (uint8_t i = 0; i < 4; ++i) {
      EXPECT_FALSE(store_.full());
      Push(0, i);
    }
    EXPECT_TRUE(store_.full());
    EXPECT_EQ(Take(BlockStore::kBlockBytes)[0], 0);
    Push(0, 4);
    for (uint8_t i = 1; i <= 4; ++i)
      EXPECT_EQ(Take(BlockStore::kBlockBytes), std::vector<uint8_t>(BlockStore::kBlockBytes, i));
  }
}

TEST_F(BlockStoreTest, DroppingAGroupKeepsTheOthersInOrder) {
  Push(0, 9);
  Take(BlockStore::kBlockBytes);  // so that the rest goes round the end of the ring
  Push(0, 1);
  Push(1, 2);
  Push(0, 3);
  Push(1, 4);
  store_.DropGroup(1);
  EXPECT_EQ(store_.bytes(), 2 * BlockStore::kBlockBytes);
  EXPECT_EQ(Take(BlockStore::kBlockBytes), std::vector<uint8_t>(BlockStore::kBlockBytes, 1));
  EXPECT_EQ(Take(BlockStore::kBlockBytes), std::vector<uint8_t>(BlockStore::kBlockBytes, 3));
}

TEST_F(BlockStoreTest, DroppingOneGroupAfterAnotherLeavesTheRest) {
  Push(0, 1);
  Push(1, 2);
  Push(2, 3);
  store_.DropGroup(0);
  store_.DropGroup(1);
  EXPECT_EQ(store_.bytes(), BlockStore::kBlockBytes);
  EXPECT_EQ(Take(BlockStore::kBlockBytes), std::vector<uint8_t>(BlockStore::kBlockBytes, 3));
}

// A fresh arena gives its memory in order, so the store's memory lies between two blocks of the
// test.
TEST(BlockStoreMemoryTest, WhatHasLeftOrWasDroppedIsWiped) {
  const auto arena = SecretArena::Create(64 << 10, SecretArena::Locking::kBestEffort).value();
  const SecretBytes before = arena->Allocate(64).value();
  BlockStore store = BlockStore::Create(arena.get(), 4 * BlockStore::kBlockBytes).value();
  const SecretBytes after = arena->Allocate(64).value();
  ASSERT_EQ(after.data() - before.data(), static_cast<ptrdiff_t>(64 + 4 * BlockStore::kBlockBytes));
  const auto kept = [&](uint8_t fill) {
    return static_cast<size_t>(std::count(before.data(), after.data(), fill));
  };
  const auto take = [&](size_t n) {
    std::vector<uint8_t> out(n, 0);
    store.XorOut(absl::MakeSpan(out));
  };
  store.Push(0, std::vector<uint8_t>(BlockStore::kBlockBytes, 1));
  store.Push(0, std::vector<uint8_t>(BlockStore::kBlockBytes, 2));
  store.Push(1, std::vector<uint8_t>(BlockStore::kBlockBytes, 3));
  ASSERT_EQ(kept(1), BlockStore::kBlockBytes);
  take(10);
  EXPECT_EQ(kept(1), BlockStore::kBlockBytes - 10);
  take(BlockStore::kBlockBytes - 10);
  EXPECT_EQ(kept(1), 0u);
  store.DropGroup(0);
  EXPECT_EQ(kept(2), 0u);
  EXPECT_EQ(kept(3), BlockStore::kBlockBytes) << "moved up, and its old place wiped";
  take(10);
  store.DropGroup(0);
  EXPECT_EQ(kept(3), 0u) << "a half taken block goes whatever its group";
}

TEST_F(BlockStoreTest, DroppingAGroupEndsAHalfTakenBlock) {
  Push(0, 1);
  Push(0, 2);
  Take(10);
  store_.DropGroup(1);
  EXPECT_EQ(store_.bytes(), BlockStore::kBlockBytes);
  EXPECT_EQ(Take(BlockStore::kBlockBytes), std::vector<uint8_t>(BlockStore::kBlockBytes, 2));
}

TEST_F(BlockStoreTest, AnotherStoreTakesWholeBlocksInOrderAsFarAsThereIsRoom) {
  for (uint8_t fill : {1, 2, 3, 4}) Push(fill == 3 ? 1 : 0, fill);
  Take(1);
  BlockStore small = BlockStore::Create(arena_.get(), 2 * BlockStore::kBlockBytes).value();
  small.TakeFrom(&store_);
  EXPECT_EQ(small.bytes(), 2 * BlockStore::kBlockBytes) << "the first is half gone";
  small.DropGroup(1);
  std::vector<uint8_t> out(BlockStore::kBlockBytes, 0);
  small.XorOut(absl::MakeSpan(out));
  EXPECT_EQ(out, std::vector<uint8_t>(BlockStore::kBlockBytes, 2));
  EXPECT_EQ(small.bytes(), 0u);
  EXPECT_EQ(store_.bytes(), BlockStore::kBlockBytes) << "there was no room for the last";
}

}  // namespace
}  // namespace entropyd
