// Adds, changes, moves and removes classes while members wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/class_tree/class_tree.h"
#include "base/process/nanos.h"
#include "tests/base/class_tree/shaping_simulation.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Specs = std::vector<ClassTree::ClassSpec>;
using MemberId = ClassTree::MemberId;

// A checked tree with chunks of 100 bytes.
class ClassTreeUpdateTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMuch = uint64_t{1} << 40;

  void Make(const Specs& specs) {
    sim_ = std::make_unique<ShapingSimulation>(ClassTree::Options{.chunk_bytes = 100}, specs);
  }
  void TearDown() override { EXPECT_EQ(sim_->violation(), ""); }

  absl::Status Update(const Specs& specs) { return sim_->Update(specs, sim_->now()); }
  MemberId AddBacklogged(const std::string& leaf) {
    const MemberId member = sim_->AddMember(leaf, {});
    sim_->Want(member, kMuch);
    return member;
  }
  uint64_t Serve(uint64_t capacity = kMuch) {
    return sim_->Distribute({.capacity_bytes = capacity, .max_grants = 1u << 30}).bytes;
  }
  // What the member got of the next `capacity` bytes.
  uint64_t Part(MemberId member, uint64_t capacity) {
    const uint64_t before = sim_->delivered(member);
    Serve(capacity);
    return sim_->delivered(member) - before;
  }
  ClassTree::ClassStats Stats(const std::string& name) {
    for (const auto& stats : sim_->Stats(sim_->now())) {
      if (stats.spec.name == name) return stats;
    }
    ADD_FAILURE() << "no class " << name;
    return {};
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& stats : sim_->Stats(sim_->now())) names.push_back(stats.spec.name);
    return names;
  }

  std::unique_ptr<ShapingSimulation> sim_;
};

const Specs kTwo = {{.name = "root"},
                    {.name = "a", .parent = "root", .rate = 1000},
                    {.name = "b", .parent = "root", .rate = 1000}};

TEST_F(ClassTreeUpdateTest, ClassesComeGoAndChangeTheirParent) {
  Make(kTwo);
  const auto a = sim_->FindLeaf("a");
  ASSERT_TRUE(Update({{.name = "root"},
                      {.name = "inner", .parent = "root"},
                      {.name = "a", .parent = "inner", .rate = 2000},
                      {.name = "c", .parent = "inner", .rate = 500}})
                  .ok());
  EXPECT_THAT(Names(), ElementsAre("root", "inner", "a", "c"));
  EXPECT_EQ(Stats("a").spec.rate, 2000u);
  EXPECT_EQ(Stats("root").spec.rate, 2500u);
  EXPECT_EQ(*sim_->FindLeaf("a"), *a);
  EXPECT_EQ(sim_->FindLeaf("b").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(sim_->FindLeaf("inner").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ClassTreeUpdateTest, TheRootMayChangeToo) {
  Make(kTwo);
  const MemberId a = AddBacklogged("a");
  ASSERT_TRUE(Update({{.name = "a", .parent = "root", .rate = 1000},
                      {.name = "root", .parent = "trunk"},
                      {.name = "trunk", .ceil = 5000}})
                  .ok());
  EXPECT_THAT(Names(), ElementsAre("trunk", "root", "a"));
  EXPECT_EQ(Serve(), 400u);  // the new root's cburst
  EXPECT_EQ(sim_->delivered(a), 400u);
  EXPECT_EQ(Stats("root").borrowed_bytes, 0u);
  EXPECT_EQ(Stats("trunk").delivered_bytes, 400u);
}

TEST_F(ClassTreeUpdateTest, MembersKeepWaitingForWhatIsLeft) {
  Make(kTwo);
  const MemberId member = sim_->AddMember("a", {});
  sim_->Want(member, 1000);
  Serve(300);
  ASSERT_TRUE(Update({{.name = "root"},
                      {.name = "inner", .parent = "root"},
                      {.name = "a", .parent = "inner", .rate = 7000}})
                  .ok());
  EXPECT_EQ(sim_->MemberWant(member), 700u);
  EXPECT_EQ(Stats("inner").waiting_bytes, 700u);
  EXPECT_EQ(Stats("a").delivered_bytes, 300u);
  EXPECT_EQ(Stats("inner").delivered_bytes, 0u);  // it was not there
  EXPECT_EQ(Serve(), 700u);
  EXPECT_EQ(Stats("inner").delivered_bytes, 700u);
}

TEST_F(ClassTreeUpdateTest, AClassWithMembersIsNotRemoved) {
  Make(kTwo);
  const MemberId a = AddBacklogged("a");
  AddBacklogged("a");
  const Specs without_a = {kTwo[0], kTwo[2]};
  const absl::Status status = Update(without_a);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("class 'a': has 2 members"), HasSubstr("be removed"),
                    HasSubstr("move or remove them first")));
  EXPECT_THAT(Names(), ElementsAre("root", "a", "b"));
  EXPECT_EQ(Serve(1000), 1000u);
  sim_->MoveMember(a, *sim_->FindLeaf("b"), sim_->now());
  EXPECT_EQ(Update(without_a).code(), absl::StatusCode::kFailedPrecondition);
  sim_->RemoveMember(a + 1);
  EXPECT_TRUE(Update(without_a).ok());
  EXPECT_EQ(Serve(1000), 1000u);
}

TEST_F(ClassTreeUpdateTest, ALeafWithMembersGetsNoChildren) {
  Make(kTwo);
  const MemberId a = AddBacklogged("a");
  const Specs deeper = {{.name = "root"},
                        {.name = "a", .parent = "root"},
                        {.name = "a1", .parent = "a", .rate = 1000},
                        {.name = "b", .parent = "root", .rate = 1000}};
  const absl::Status status = Update(deeper);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("'a'"), HasSubstr("get children")));
  sim_->MoveMember(a, *sim_->FindLeaf("b"), sim_->now());
  ASSERT_TRUE(Update(deeper).ok());
  sim_->MoveMember(a, *sim_->FindLeaf("a1"), sim_->now());
  EXPECT_EQ(Serve(1000), 1000u);
  EXPECT_EQ(Stats("a").delivered_bytes, 1000u);
  // And back: what was inside is a leaf again.
  sim_->RemoveMember(a);
  ASSERT_TRUE(Update(kTwo).ok());
  AddBacklogged("a");
  EXPECT_EQ(Serve(1000), 1000u);
}

TEST_F(ClassTreeUpdateTest, AWrongSetChangesNothing) {
  Make(kTwo);
  AddBacklogged("a");
  const Specs wrong = {{.name = "root"}, {.name = "a", .parent = "root", .rate = 9, .ceil = 5}};
  const absl::Status status = Update(wrong);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("class 'a': ceil 5B/s is below the rate"));
  EXPECT_THAT(Names(), ElementsAre("root", "a", "b"));
  EXPECT_EQ(Stats("a").spec.rate, 1000u);
  EXPECT_EQ(Serve(1000), 1000u);
}

// --- Buckets ------------------------------------------------------------------------------------

Specs Capped(uint64_t ceil, uint64_t cburst) {
  return {{.name = "root", .rate = 1000, .ceil = ceil, .cburst = cburst}};
}

TEST_F(ClassTreeUpdateTest, TokensAreCutToANewSmallerBurst) {
  Make(Capped(1000, 4000));
  AddBacklogged("root");
  ASSERT_TRUE(Update(Capped(1000, 500)).ok());
  EXPECT_EQ(Serve(), 500u);
}

TEST_F(ClassTreeUpdateTest, ALargerBurstBeginsWithWhatTheOldOneHeld) {
  Make(Capped(1000, 500));
  AddBacklogged("root");
  EXPECT_EQ(Serve(200), 200u);
  ASSERT_TRUE(Update(Capped(1000, 4000)).ok());
  EXPECT_EQ(Serve(), 300u);
  sim_->Advance(1000 * kMillisecondNanos);
  EXPECT_EQ(Serve(), 1000u);
}

TEST_F(ClassTreeUpdateTest, WhatHasFlowedInBeforeAChangeFlowedAtTheOldCeiling) {
  Make(Capped(1000, 4000));
  AddBacklogged("root");
  Serve();
  sim_->Advance(100 * kMillisecondNanos);
  ASSERT_TRUE(Update(Capped(10'000, 4000)).ok());
  EXPECT_EQ(Serve(), 100u);
  sim_->Advance(100 * kMillisecondNanos);
  EXPECT_EQ(Serve(), 1000u);
}

TEST_F(ClassTreeUpdateTest, AHigherCeilingWakesItsClassSooner) {
  Make(Capped(1000, 400));
  AddBacklogged("root");
  Serve();
  EXPECT_EQ(sim_->NextEventNanos(), 100 * kMillisecondNanos);
  ASSERT_TRUE(Update(Capped(10'000, 400)).ok());
  EXPECT_EQ(sim_->NextEventNanos(), 10 * kMillisecondNanos);
  ASSERT_TRUE(Update({{.name = "root", .rate = 1000}}).ok());
  EXPECT_EQ(sim_->NextEventNanos(), absl::nullopt);
  EXPECT_EQ(Serve(5000), 5000u);
}

TEST_F(ClassTreeUpdateTest, TimeUnderACeilingIsCountedAcrossAChange) {
  Make(Capped(1000, 400));
  AddBacklogged("root");
  Serve();
  sim_->Advance(30 * kMillisecondNanos);
  ASSERT_TRUE(Update(Capped(2000, 400)).ok());
  sim_->Advance(10 * kMillisecondNanos);
  EXPECT_EQ(Stats("root").throttled_nanos, 40 * kMillisecondNanos);
}

TEST_F(ClassTreeUpdateTest, AMovedClassIsHeldByItsOwnTokensAndItsNewAncestors) {
  const ClassTree::ClassSpec a{.name = "a", .parent = "left", .rate = 1000, .ceil = 1000};
  const ClassTree::ClassSpec left{.name = "left", .parent = "root"};
  const ClassTree::ClassSpec right{.name = "right", .parent = "root", .ceil = 8000};
  const ClassTree::ClassSpec l1{.name = "l1", .parent = "left", .rate = 1};
  const ClassTree::ClassSpec r1{.name = "r1", .parent = "right", .rate = 1};
  Make({{.name = "root"}, left, right, a, l1, r1});
  AddBacklogged("a");
  EXPECT_EQ(Serve(), 400u);
  ClassTree::ClassSpec moved = a;
  moved.parent = "right";
  ASSERT_TRUE(Update({{.name = "root"}, left, right, moved, l1, r1}).ok());
  EXPECT_EQ(Serve(), 0u);
  sim_->Advance(100 * kMillisecondNanos);
  EXPECT_EQ(Serve(), 100u);
  EXPECT_EQ(Stats("right").delivered_bytes, 100u);
}

// --- Turns --------------------------------------------------------------------------------------

TEST_F(ClassTreeUpdateTest, SharesFollowNewRates) {
  Make(kTwo);
  const MemberId a = AddBacklogged("a");
  AddBacklogged("b");
  Serve(800);  // the bursts
  const auto shortage = [&](MemberId member) {
    uint64_t part = 0;
    for (int i = 0; i < 1000; ++i) {
      sim_->Advance(100 * kMillisecondNanos);
      part += Part(member, 100);
    }
    return part;
  };
  EXPECT_NEAR(static_cast<double>(shortage(a)), 50'000, 300);
  Specs specs = kTwo;
  specs[1].rate = 3000;
  ASSERT_TRUE(Update(specs).ok());
  EXPECT_NEAR(static_cast<double>(shortage(a)), 75'000, 300);
}

TEST_F(ClassTreeUpdateTest, BorrowingFollowsNewWeightsAndPrios) {
  Make(kTwo);
  const MemberId a = AddBacklogged("a");
  const MemberId b = AddBacklogged("b");
  Serve(800);
  Specs specs = kTwo;
  specs[1].weight = 3000;
  ASSERT_TRUE(Update(specs).ok());
  EXPECT_NEAR(static_cast<double>(Part(a, 10'000)), 7500, 100);
  specs[1].prio = 1;
  ASSERT_TRUE(Update(specs).ok());
  EXPECT_EQ(Part(a, 10'000), 0u);
  specs[2].prio = 2;
  ASSERT_TRUE(Update(specs).ok());
  EXPECT_EQ(Part(b, 10'000), 0u);
}

// Constant reloads must not make a light class wait for ever: its turn comes.
TEST_F(ClassTreeUpdateTest, UpdatesBetweenAllGrantsLeaveEverybodyHisTurn) {
  const Specs specs = {{.name = "root"},
                       {.name = "light", .parent = "root", .rate = 100, .weight = 1},
                       {.name = "heavy", .parent = "root", .rate = 1000, .weight = 10}};
  Make(specs);
  const MemberId light = AddBacklogged("light");
  AddBacklogged("heavy");
  const auto part = [&](int64_t nanos) {
    const uint64_t before = sim_->delivered(light);
    for (int i = 0; i < 1100; ++i) {
      sim_->Advance(nanos);
      EXPECT_TRUE(Update(specs).ok());
      Serve(100);
    }
    return static_cast<double>(sim_->delivered(light) - before);
  };
  EXPECT_NEAR(part(1000 * kMillisecondNanos), 10'000, 300);  // green: the buckets of both are full
  EXPECT_NEAR(part(0), 10'000, 600);  // yellow, after the bursts at the start
}

// --- Members ------------------------------------------------------------------------------------

TEST_F(ClassTreeUpdateTest, AMovedMemberTakesWantTokensAndPartsAlong) {
  Make(kTwo);
  const MemberId member = sim_->AddMember("a", {.ceil = 1000});
  sim_->Want(member, 2000);
  EXPECT_EQ(Serve(), 400u);
  sim_->MoveMember(member, *sim_->FindLeaf("b"), sim_->now());
  EXPECT_EQ(Stats("a").members, 0u);
  EXPECT_EQ(Stats("a").waiting_bytes, 0u);
  EXPECT_EQ(Stats("b").members, 1u);
  EXPECT_EQ(Stats("b").waiting_bytes, 1600u);
  EXPECT_EQ(sim_->MemberDelivered(member), 400u);
  EXPECT_EQ(Serve(), 0u);
  EXPECT_EQ(sim_->NextEventNanos(), 100 * kMillisecondNanos);
  sim_->Advance(100 * kMillisecondNanos);
  EXPECT_EQ(Serve(), 100u);
}

TEST_F(ClassTreeUpdateTest, AParkedMemberStaysParkedWhenItMoves) {
  Make(kTwo);
  const MemberId member = AddBacklogged("a");
  sim_->Distribute({}, [](MemberId, uint32_t) { return 0u; });
  sim_->MoveMember(member, *sim_->FindLeaf("b"), sim_->now());
  EXPECT_EQ(Serve(1000), 0u);
  sim_->Unpark(member);
  EXPECT_EQ(Serve(1000), 1000u);
}

TEST_F(ClassTreeUpdateTest, AMoveDoesNotWinBackWhatWasHadInAdvance) {
  Make(kTwo);
  const MemberId mover = sim_->AddMember("a", {.weight = 0.25});
  sim_->Want(mover, kMuch);
  EXPECT_EQ(Serve(100), 100u);  // now due after 400 bytes of a member of weight 1
  const MemberId other = AddBacklogged("b");
  sim_->MoveMember(mover, *sim_->FindLeaf("b"), sim_->now());
  EXPECT_EQ(Part(other, 400), 400u);
  EXPECT_EQ(Part(mover, 100), 100u);
}

TEST_F(ClassTreeUpdateTest, AMoveToTheOwnLeafChangesNothing) {
  Make(kTwo);
  const MemberId member = AddBacklogged("a");
  sim_->MoveMember(member, *sim_->FindLeaf("a"), sim_->now());
  EXPECT_EQ(Stats("a").members, 1u);
  EXPECT_EQ(Serve(1000), 1000u);
}

TEST_F(ClassTreeUpdateTest, AClassThatComesAfterAnotherHasItsIdAndNothingElse) {
  Specs specs = kTwo;
  specs[1].ceil = 1000;
  Make(specs);
  const MemberId before = AddBacklogged("a");
  Serve();
  sim_->RemoveMember(before);
  ASSERT_TRUE(Update({kTwo[0], kTwo[2]}).ok());
  specs[1].name = "new";
  ASSERT_TRUE(Update(specs).ok());
  EXPECT_EQ(Stats("new").delivered_bytes, 0u);
  EXPECT_EQ(Stats("new").throttled_nanos, 0);
  AddBacklogged("new");
  EXPECT_EQ(Serve(), 400u);
}

}  // namespace
}  // namespace entropyd
