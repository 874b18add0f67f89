// Tests how much a member is offered in its turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "base/class_tree/class_tree.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using MemberId = ClassTree::MemberId;

// Chunks have 100 bytes. A leaf of 10,000 bytes/s gets its guarantee of 100 ms in a turn: 10
// chunks.
class ClassTreeTurnTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMuch = uint64_t{1} << 40;

  void Make(const std::vector<ClassTree::ClassSpec>& specs) {
    auto tree =
        ClassTree::Create({.chunk_bytes = 100, .turn_nanos = 100 * kMillisecondNanos}, specs);
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
  }
  MemberId Add(const std::string& leaf, uint64_t want = kMuch,
               const ClassTree::MemberSpec& spec = {}) {
    const MemberId member = tree_->AddMember(tree_->FindLeaf(leaf).value(), spec);
    tree_->Want(member, want, 0);
    return member;
  }
  // What was offered, and taken, in order.
  std::vector<uint32_t> Offers(const ClassTree::Pass& pass) {
    std::vector<uint32_t> offers;
    tree_->Distribute(0, pass, [&](MemberId id, void*, uint32_t bytes) {
      offers.push_back(bytes);
      delivered_[id] += bytes;
      return bytes;
    });
    return offers;
  }

  std::unique_ptr<ClassTree> tree_;
  std::map<MemberId, uint64_t> delivered_;
};

TEST_F(ClassTreeTurnTest, IsAsManyWholeChunksAsTheRateLetsThrough) {
  Make({{.name = "root", .rate = 10'990}});
  Add("root");
  EXPECT_THAT(Offers({.max_grants = 2}), ElementsAre(1000, 1000));
}

TEST_F(ClassTreeTurnTest, IsAChunkAtLeast) {
  Make({{.name = "root", .rate = 10}});
  Add("root");
  EXPECT_THAT(Offers({.max_grants = 2}), ElementsAre(100, 100));
}

TEST_F(ClassTreeTurnTest, IsSixteenChunksAtMost) {
  Make({{.name = "root", .rate = 1'000'000}});
  Add("root");
  EXPECT_THAT(Offers({.max_grants = 2}), ElementsAre(1600, 1600));
}

TEST_F(ClassTreeTurnTest, IsAChunkWhereNoTimeIsSet) {
  const std::vector<ClassTree::ClassSpec> specs = {{.name = "root", .rate = 1'000'000}};
  auto tree = ClassTree::Create({.chunk_bytes = 100}, specs);
  ASSERT_TRUE(tree.ok()) << tree.status();
  tree_ = *std::move(tree);
  Add("root");
  EXPECT_THAT(Offers({.max_grants = 2}), ElementsAre(100, 100));
}

TEST_F(ClassTreeTurnTest, EndsWithWhatTheMemberWantsAndThePassHas) {
  Make({{.name = "root", .rate = 10'000}});
  Add("root", 1550);
  EXPECT_THAT(Offers({}), ElementsAre(1000, 550));
  Add("root");
  EXPECT_THAT(Offers({.capacity_bytes = 1250}), ElementsAre(1000, 250));
}

TEST_F(ClassTreeTurnTest, TakesNoMoreThanTheCeilingsHold) {
  Make({{.name = "root", .rate = 20'000, .ceil = 30'000, .cburst = 1730},
        {.name = "a",
         .parent = "root",
         .rate = 20'000,
         .ceil = 25'000,
         .burst = 100'000,
         .cburst = 900}});
  Add("a");
  EXPECT_THAT(Offers({}), ElementsAre(900));
  Make({{.name = "root", .rate = 20'000, .ceil = 30'000, .cburst = 1730},
        {.name = "a", .parent = "root", .rate = 20'000, .burst = 100'000}});
  Add("a");
  EXPECT_THAT(Offers({}), ElementsAre(1600, 130));
}

TEST_F(ClassTreeTurnTest, TakesNoMoreThanTheMembersOwnCeilingHolds) {
  Make({{.name = "root", .rate = 10'000}});
  Add("root", kMuch, {.ceil = 1});  // starts with 4 chunks
  EXPECT_THAT(Offers({}), ElementsAre(400));
}

TEST_F(ClassTreeTurnTest, OverdrawsNoGuarantee) {
  // Green for 500 bytes, then yellow, which takes nothing from the guarantee's bucket.
  Make({{.name = "root", .rate = 10'000},
        {.name = "a", .parent = "root", .rate = 10'000, .burst = 500}});
  Add("a");
  EXPECT_THAT(Offers({.max_grants = 3}), ElementsAre(500, 1000, 1000));
  EXPECT_EQ(tree_->Stats(0)[1].borrowed_bytes, 2000);
}

TEST_F(ClassTreeTurnTest, SharesStayTheSame) {
  Make({{.name = "root", .rate = 11'000},
        {.name = "big", .parent = "root", .rate = 10'000, .weight = 3},
        {.name = "small", .parent = "root", .rate = 1000, .weight = 1}});
  const MemberId a = Add("big", kMuch, {.weight = 2});
  const MemberId b = Add("big", kMuch, {.weight = 1});
  const MemberId small = Add("small");
  Offers({.capacity_bytes = 1'200'000});
  EXPECT_NEAR(static_cast<double>(delivered_[a]), 600'000, 3000);
  EXPECT_NEAR(static_cast<double>(delivered_[b]), 300'000, 3000);
  EXPECT_NEAR(static_cast<double>(delivered_[small]), 300'000, 3000);
}

TEST_F(ClassTreeTurnTest, WhatComesOutOfTurnIsAChunkAtMost) {
  Make({{.name = "root", .rate = 10'000}});
  const MemberId member = Add("root");
  std::vector<uint32_t> offers;
  const auto take = [&](MemberId, void*, uint32_t bytes) {
    offers.push_back(bytes);
    return bytes;
  };
  tree_->GrantFirst(member, 5000, 0, take);
  tree_->GrantFloor(member, 5000, 0, take);
  EXPECT_THAT(offers, ElementsAre(100, 100));
}

// A member that is a long turn ahead keeps its place: it does not start anew when it returns.
TEST_F(ClassTreeTurnTest, WhoReturnsAfterALongTurnWaitsForTheOthers) {
  Make({{.name = "root", .rate = 16'000}});
  const MemberId ahead = Add("root");
  EXPECT_THAT(Offers({.max_grants = 1}), ElementsAre(1600));
  tree_->Want(ahead, 0, 0);
  tree_->Want(ahead, kMuch, 0);
  const MemberId other = Add("root", 0);
  for (int i = 0; i < 10; ++i) {
    tree_->Want(other, 100, 0);
    Offers({.max_grants = 1});
  }
  EXPECT_EQ(delivered_[other], 1000);
  EXPECT_EQ(delivered_[ahead], 1600);
}

TEST_F(ClassTreeTurnTest, FollowsAnUpdateOfTheRate) {
  Make({{.name = "root", .rate = 10'000}});
  Add("root");
  const std::vector<ClassTree::ClassSpec> slower = {{.name = "root", .rate = 5000}};
  ASSERT_TRUE(tree_->Update(slower, 0).ok());
  EXPECT_THAT(Offers({.max_grants = 2}), ElementsAre(500, 500));
}

TEST(ClassTreeTurnOptionsTest, AreRefusedWhenATurnWouldBeTooLarge) {
  const std::vector<ClassTree::ClassSpec> specs = {{.name = "root", .rate = 1000}};
  EXPECT_FALSE(ClassTree::Create({.chunk_bytes = 1000, .turn_nanos = -1}, specs).ok());
  EXPECT_TRUE(ClassTree::Create({.chunk_bytes = 1 << 16, .turn_nanos = 1}, specs).ok());
  const absl::Status status =
      ClassTree::Create({.chunk_bytes = (1 << 16) + 1, .turn_nanos = 1}, specs).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "16 chunks")) << status;
}

}  // namespace
}  // namespace entropyd
