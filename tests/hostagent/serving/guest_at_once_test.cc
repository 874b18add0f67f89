// Guests that are served without a pass of their class's tree.
#include <memory>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/serving/fair_queue.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

constexpr size_t kLowWater = 500;

// A class with 10,000 bytes, more than enough above its low water.
class GuestAtOnceTest : public testing::Test {
 protected:
  GuestAtOnceTest() { Make(ClassTree::kUnlimited); }
  void Make(uint64_t guest_ceil) {
    tree_ = std::make_unique<FairQueue>(&buffer_, guest_ceil);
    id_ = tree_->Add(&guest_);
  }
  void SetUp() override {
    buffer_.low_water = kLowWater;
    buffer_.Fill(10'000);
  }

  // At first a pass tells its owner that it waits.
  void ServeForTheFirstTime() {
    guest_.wanted = 1;
    ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
    tree_->Serve(0);
    guest_.delivered = 0;
  }

  FakeBuffer buffer_;
  FakeMember guest_{&buffer_};
  std::unique_ptr<FairQueue> tree_;
  FairQueue::Id id_ = 0;
};

TEST_F(GuestAtOnceTest, WhoFindsPlentyHasAllItWants) {
  guest_.wanted = 64;
  EXPECT_TRUE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(guest_.delivered, 64u);
  EXPECT_EQ(buffer_.level(), 10'000u - 64);
}

TEST_F(GuestAtOnceTest, ItCountsAsWaitingWhichTheOwnerIsToldOnce) {
  guest_.wanted = 64;
  ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(tree_->waiting_members(), 1u);
  EXPECT_TRUE(tree_->pending());
  tree_->Serve(0);
  guest_.wanted = 64;
  ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
  EXPECT_FALSE(tree_->pending());
  tree_->Serve(2 * kSecondNanos - 1);
  EXPECT_EQ(tree_->waiting_members(), 1u);
  tree_->Serve(4 * kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 0u);
}

TEST_F(GuestAtOnceTest, LeavesTheBufferAboveItsLowWater) {
  buffer_.low_water = 10'000 - 64;
  guest_.wanted = 64;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(guest_.delivered, 0u);
  --buffer_.low_water;
  EXPECT_TRUE(tree_->ServeAtOnce(id_, 0));
}

TEST_F(GuestAtOnceTest, NobodyIsServedBeforeThoseThatWait) {
  FakeMember waits(&buffer_);
  const FairQueue::Id waits_id = tree_->Add(&waits);
  waits.wanted = 20'000;
  tree_->Touch(waits_id);
  tree_->Serve(0);
  ASSERT_GT(tree_->owed(), 0u);
  buffer_.Fill(5'000);
  guest_.wanted = 64;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(guest_.delivered, 0u);
}

TEST_F(GuestAtOnceTest, NobodyIsServedBeforeThoseWhoseWantsAreStillToBeAsked) {
  FakeMember other(&buffer_);
  tree_->Touch(tree_->Add(&other));
  guest_.wanted = 64;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
}

TEST_F(GuestAtOnceTest, NobodyIsServedBesideItsCeiling) {
  Make(1'000'000);
  guest_.wanted = 64;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
}

TEST_F(GuestAtOnceTest, AGrantIsTheMost) {
  guest_.wanted = FairQueue::kChunkBytes + 1;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
  guest_.wanted = FairQueue::kChunkBytes;
  EXPECT_TRUE(tree_->ServeAtOnce(id_, 0));
}

TEST_F(GuestAtOnceTest, WhoWantsNothingIsLeftToThePass) {  // it may be owed a reply without bytes
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(guest_.deliveries, 0);
}

TEST_F(GuestAtOnceTest, WhatItsPlanDoesNotHoldComesInThePass) {
  ServeForTheFirstTime();
  guest_.plan_size = 40;
  guest_.wanted = 64;
  ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(guest_.delivered, 40u);
  ASSERT_TRUE(tree_->pending());
  tree_->Serve(0);
  EXPECT_EQ(guest_.delivered, 64u);
}

TEST_F(GuestAtOnceTest, WhoIsBlockedWaitsForResume) {
  ServeForTheFirstTime();
  guest_.block_after = 64;
  guest_.wanted = 64;
  ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
  guest_.blocked = false;  // the tree does not know that yet
  guest_.block_after = 0;
  guest_.wanted = 64;
  EXPECT_FALSE(tree_->ServeAtOnce(id_, 0));
  tree_->Touch(id_);
  tree_->Serve(0);
  EXPECT_EQ(guest_.delivered, 64u);
  tree_->Resume(id_, 0);
  tree_->Serve(0);
  EXPECT_EQ(guest_.delivered, 128u);
}

TEST_F(GuestAtOnceTest, WhoLeavesWhileItDeliversIsForgotten) {
  guest_.wanted = 64;
  guest_.on_deliver = [this] { tree_->Remove(id_, 0); };
  EXPECT_TRUE(tree_->ServeAtOnce(id_, 0));
  EXPECT_EQ(tree_->members(), 0u);
  EXPECT_EQ(tree_->waiting_members(), 0u);
  tree_->Serve(0);
}

// Bytes are held back while they keep arriving. Bytes that come after others were given out at once
// are an arrival, however few.
TEST_F(GuestAtOnceTest, WhatArrivesAfterwardsIsNoticed) {
  tree_->Serve(0);
  guest_.wanted = 1000;
  ASSERT_TRUE(tree_->ServeAtOnce(id_, 0));
  buffer_.Fill(500);
  FakeMember greedy(&buffer_);
  const FairQueue::Id greedy_id = tree_->Add(&greedy);
  greedy.wanted = 100'000;
  tree_->Touch(greedy_id);
  tree_->Serve(2 * kSecondNanos);
  EXPECT_EQ(tree_->held_back(), HeldBack::kMax);
}

}  // namespace
}  // namespace entropyd
