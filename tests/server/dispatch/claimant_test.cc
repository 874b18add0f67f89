#include "server/dispatch/claimant.h"

#include <memory>
#include <utility>
#include <vector>

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

// 1,000 claimants of one identity: each join and leave weighs a few of them anew, and they have
// about one share together all the same.
TEST_F(ClaimantTest, ManyOfOneIdentityShareOneWeightAndNoneOfThemCostsMoreThanAFew) {
  std::vector<std::unique_ptr<FakeClaimant>> many;
  FakeClaimant other("b");
  other.Join(two_);
  other.Want(100 << 20, 1);
  for (int i = 0; i < 1000; ++i) {
    many.push_back(std::make_unique<FakeClaimant>("a"));
    many.back()->Join(two_);
    many.back()->Want(1 << 20, 1);
    int weighed = 0;
    for (const auto& one : many) weighed += std::exchange(one->weighed, 0);
    EXPECT_LE(weighed, 1 + static_cast<int>(IdentityMembers::kWeighedAtOnce));
  }
  EXPECT_EQ(two_->members.at("a")->claimants().size(), 1000u);
  Distribute(1 << 20);  // the first turn of each
  const uint32_t others = other.planned;
  uint64_t before = 0;
  for (const auto& one : many) before += one->planned;
  Distribute(40 << 20);
  uint64_t planned = 0;
  for (const auto& one : many) planned += one->planned;
  const auto a = static_cast<double>(planned - before);
  EXPECT_NEAR(a / static_cast<double>(other.planned - others), 1, 0.15);
  while (many.size() > 1) {
    many.back()->Leave();
    many.pop_back();
  }
  const uint32_t one_before = many[0]->planned, other_before = other.planned;
  many[0]->Want(100 << 20, 1);
  Distribute(20 << 20);
  EXPECT_NEAR(static_cast<double>(many[0]->planned - one_before) /
                  static_cast<double>(other.planned - other_before),
              1, 0.05);
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
