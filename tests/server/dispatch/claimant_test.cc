#include "server/dispatch/claimant.h"

#include "gtest/gtest.h"
#include "tests/server/dispatch/fake_claimant.h"

namespace entropyd {
namespace {

class ClaimantTest : public ::testing::Test {
 protected:
  // What each claimant gets when there are `bytes` for all that wait.
  void Distribute(uint64_t bytes) {
    one_->slot->tree->Distribute(1, {.capacity_bytes = bytes},
                                 [](ClassTree::MemberId, void* cookie, uint32_t n) {
                                   return static_cast<Claimant*>(cookie)->Plan(n);
                                 });
  }

  FakePool pool_{"pool"};
  ClassTable table_{SetupsOf({&pool_})};
  Leaf* const one_ = table_.FindLeaf("pool/one");
  Leaf* const two_ = table_.FindLeaf("pool/two");
};

TEST_F(ClaimantTest, ItWaitsInOneLeafUntilItLeaves) {
  FakeClaimant claimant;
  EXPECT_EQ(claimant.leaf(), nullptr);
  claimant.Join(one_);
  EXPECT_EQ(claimant.leaf(), one_);
  claimant.Want(500, 1);
  EXPECT_EQ(claimant.wanted(), 500u);
  Distribute(10'000);
  EXPECT_EQ(claimant.planned, 500u);
  EXPECT_EQ(claimant.wanted(), 0u);
  claimant.Want(500, 1);
  claimant.Leave();
  claimant.Leave();
  EXPECT_EQ(claimant.leaf(), nullptr);
  Distribute(10'000);
  EXPECT_EQ(claimant.planned, 500u);
  EXPECT_TRUE(one_->members.empty());
}

TEST_F(ClaimantTest, ThoseOfOneIdentityShareOneWeight) {
  FakeClaimant first("a"), second("a"), other("b");
  for (FakeClaimant* claimant : {&first, &second, &other}) {
    claimant->Join(one_);
    claimant->Want(1 << 20, 1);
  }
  Distribute(400 << 10);
  EXPECT_NEAR(other.planned, 200 << 10, 4096);
  EXPECT_NEAR(first.planned, 100 << 10, 4096);
  second.Leave();
  const uint32_t before = first.planned, others = other.planned;
  Distribute(200 << 10);
  EXPECT_NEAR(first.planned - before, other.planned - others, 4096);
}

TEST_F(ClaimantTest, GuestsWeighWhereTheLeafSaysSo) {
  FakeClaimant few("a"), many("b");
  for (FakeClaimant* claimant : {&few, &many}) {
    claimant->Join(two_);
    claimant->Want(10 << 20, 1);
  }
  many.guests = 3;
  many.Reweigh();
  Distribute(400 << 10);
  EXPECT_NEAR(many.planned, 300 << 10, 8192);
  EXPECT_NEAR(few.planned, 100 << 10, 8192);
}

TEST_F(ClaimantTest, WhoeverWantsAfterAPassAsksForAnother) {
  FakeClaimant claimant;
  claimant.Join(one_);
  EXPECT_FALSE(one_->slot->more);
  claimant.Want(0, 1);
  EXPECT_FALSE(one_->slot->more);
  claimant.Want(1, 1);
  EXPECT_TRUE(one_->slot->more);
}

}  // namespace
}  // namespace entropyd
