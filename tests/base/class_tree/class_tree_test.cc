#include "base/class_tree/class_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <vector>

#include "base/process/nanos.h"
#include "tests/base/class_tree/class_tree_rig.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;

// --- Ceilings -----------------------------------------------------------------------------------

TEST_F(ClassTreeTest, CeilLetsABurstPassAndThenAChunkAtATime) {
  Make({{.name = "root", .rate = 1000, .ceil = 1000}});  // cburst: 4 chunks
  AddBacklogged("root");
  EXPECT_EQ(Serve(kMuch).size(), 4u);
  EXPECT_FALSE(result_.more);
  EXPECT_EQ(tree_->NextEventNanos(), 100 * kMillisecondNanos);
  now_ = 100 * kMillisecondNanos - 1;
  EXPECT_EQ(Serve(kMuch).size(), 0u);
  EXPECT_EQ(tree_->NextEventNanos(), 100 * kMillisecondNanos);
  now_ = 100 * kMillisecondNanos;
  EXPECT_EQ(Serve(kMuch).size(), 1u);
  EXPECT_EQ(tree_->NextEventNanos(), 200 * kMillisecondNanos);
}

TEST_F(ClassTreeTest, WithoutACeilNothingIsHeldBack) {
  Make({{.name = "root", .rate = 1000}});
  AddBacklogged("root");
  Serve(10'000'050);
  EXPECT_EQ(result_.bytes, 10'000'050u);
  EXPECT_EQ(tree_->NextEventNanos(), absl::nullopt);
}

TEST_F(ClassTreeTest, AnAncestorsCeilBindsWhateverItsLeavesMay) {
  Make({{.name = "root", .rate = 1000, .ceil = 1000},
        {.name = "a", .parent = "root", .rate = 500},
        {.name = "b", .parent = "root", .rate = 500}});
  AddBacklogged("a");
  AddBacklogged("b");
  EXPECT_EQ(Serve(kMuch).size(), 4u);
  EXPECT_EQ(tree_->NextEventNanos(), 100 * kMillisecondNanos);
}

TEST_F(ClassTreeTest, EligibleWithAWholeChunkOfTokensChargedWhatIsTaken) {
  Make({{.name = "root", .rate = 1000, .ceil = 1000}});
  const MemberId member = Add("root");
  tree_->Want(member, 64 * 5, 0);
  auto small = [](MemberId, void*, uint32_t bytes) { return std::min(bytes, 64u); };
  // 400 - 64 x 4 = 144 still holds a chunk; 400 - 64 x 5 = 80 does not.
  EXPECT_EQ(tree_->Distribute(0, {}, small).grants, 5u);
  tree_->Want(member, 64, 0);
  EXPECT_EQ(tree_->Distribute(0, {}, small).grants, 0u);
  EXPECT_EQ(tree_->NextEventNanos(), 20 * kMillisecondNanos);
  EXPECT_EQ(tree_->Distribute(20 * kMillisecondNanos, {}, small).bytes, 64u);
}

TEST_F(ClassTreeTest, AMembersOwnCeilHoldsOnlyThatMember) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId capped = AddBacklogged("root", {.ceil = 1000});
  const MemberId free = AddBacklogged("root");
  Serve(2000);
  EXPECT_EQ(tree_->MemberDelivered(capped), 400u);
  EXPECT_EQ(tree_->MemberDelivered(free), 1600u);
  EXPECT_EQ(tree_->NextEventNanos(), 100 * kMillisecondNanos);
  now_ = 100 * kMillisecondNanos;
  EXPECT_THAT(Serve(200), ElementsAre(capped, free));
}

TEST_F(ClassTreeTest, ThirtyIdleDaysAtTenGibibytesOverflowNothing) {
  constexpr uint64_t kRate = uint64_t{10} << 30;
  Make({{.name = "root", .rate = kRate, .ceil = kRate},
        {.name = "a", .parent = "root", .rate = kRate, .ceil = kRate}},
       {.chunk_bytes = 1 << 20});
  const MemberId member = AddBacklogged("a");
  Serve(kMuch);
  const uint64_t burst = result_.bytes;  // 10 ms: 102 chunks of 1 MiB and a part
  EXPECT_EQ(burst, uint64_t{102} << 20);
  tree_->Want(member, 0, now_);
  now_ = int64_t{30} * 24 * 3600 * kSecondNanos;
  tree_->Want(member, kMuch, now_);
  Serve(kMuch);
  EXPECT_EQ(result_.bytes, burst);
  // After 30 days at 10 GiB/s the ceiling is still exact to the byte.
  EXPECT_GT(*tree_->NextEventNanos(), now_);
  EXPECT_LE(*tree_->NextEventNanos(), now_ + 100'000);
}

// --- Guarantees, excess, shortage ---------------------------------------------------------------

TEST_F(ClassTreeTest, GuaranteesAreServedByFinishTagsInProportionToRate) {
  Make({{.name = "root"},
        {.name = "a", .parent = "root", .rate = 1000},
        {.name = "b", .parent = "root", .rate = 2000}});
  const MemberId a = AddBacklogged("a");
  const MemberId b = AddBacklogged("b");
  // Chunks of b finish at 1/2, 1, 3/2, 2, those of a at 1 and 2, and a has waited longer.
  EXPECT_THAT(Serve(600), ElementsAre(b, a, b, b, a, b));
}

TEST_F(ClassTreeTest, ExcessGoesToTheLowestPrioFirst) {
  Make({{.name = "root", .rate = 2000},
        {.name = "late", .parent = "root", .rate = 1000, .prio = 1},
        {.name = "first", .parent = "root", .rate = 1000, .ceil = 5000, .prio = 0}});
  const MemberId late = AddBacklogged("late");
  const MemberId first = AddBacklogged("first");
  Serve(1200);  // the guaranteed bursts of 400 each, then 400 of excess, cut by first's cburst
  EXPECT_EQ(tree_->MemberDelivered(first), 400u);
  EXPECT_EQ(tree_->MemberDelivered(late), 800u);
  now_ += kSecondNanos;
  Serve(400 + 400 + 100);  // both hold their guarantees again, first's ceil only 4 chunks
  EXPECT_EQ(tree_->MemberDelivered(first), 800u);
  EXPECT_EQ(tree_->MemberDelivered(late), 1300u);
  EXPECT_EQ(Stats("late").borrowed_bytes, 500u);
  EXPECT_EQ(Stats("first").borrowed_bytes, 0u);
}

TEST_F(ClassTreeTest, ExcessIsBorrowedByWeightInsideAPrio) {
  Make({{.name = "root"},
        {.name = "a", .parent = "root", .rate = 1, .weight = 1},
        {.name = "b", .parent = "root", .rate = 1, .weight = 2},
        {.name = "c", .parent = "root", .rate = 1, .weight = 5}});
  const MemberId a = AddBacklogged("a");
  const MemberId b = AddBacklogged("b");
  const MemberId c = AddBacklogged("c");
  Serve(3 * 400 + 8 * 1000);
  EXPECT_EQ(tree_->MemberDelivered(a), 400u + 1000);
  EXPECT_EQ(tree_->MemberDelivered(b), 400u + 2000);
  EXPECT_EQ(tree_->MemberDelivered(c), 400u + 5000);
}

TEST_F(ClassTreeTest, ByPriorityAShortageMeetsTheGuaranteesOfTheLowestPrioOnly) {
  Make({{.name = "root"},
        {.name = "low", .parent = "root", .rate = 1000, .prio = 3},
        {.name = "high", .parent = "root", .rate = 1000, .prio = 1}},
       {.chunk_bytes = 100, .shed = ClassTree::Shed::kPriority});
  const MemberId low = AddBacklogged("low");
  const MemberId high = AddBacklogged("high");
  EXPECT_THAT(Serve(400), ElementsAre(high, high, high, high));
  EXPECT_THAT(Serve(200), ElementsAre(low, low));
}

TEST_F(ClassTreeTest, AReturningClassHasNoClaimOnThePast) {
  Make({{.name = "root"},
        {.name = "a", .parent = "root", .rate = 1, .weight = 1},
        {.name = "b", .parent = "root", .rate = 1, .weight = 1}});
  const MemberId a = AddBacklogged("a");
  const MemberId b = AddBacklogged("b");
  Serve(800);  // the bursts
  tree_->Want(b, 0, now_);
  Serve(5000);
  tree_->Want(b, kMuch, now_);
  const uint64_t before = tree_->MemberDelivered(a);
  Serve(1000);
  EXPECT_EQ(tree_->MemberDelivered(a) - before, 500u);
}

// --- Passes and statistics ----------------------------------------------------------------------

TEST_F(ClassTreeTest, APassSaysWhetherSomebodyIsLeftWaiting) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId member = Add("root");
  tree_->Want(member, 1000, 0);
  EXPECT_EQ(Serve(kMuch, 3).size(), 3u);
  EXPECT_TRUE(result_.more);
  EXPECT_EQ(Serve(250).size(), 3u);  // 100, 100, 50
  EXPECT_TRUE(result_.more);
  EXPECT_EQ(result_.bytes, 250u);
  EXPECT_EQ(Serve(450).size(), 5u);
  EXPECT_FALSE(result_.more);
  EXPECT_EQ(Serve(0).size(), 0u);
  EXPECT_FALSE(result_.more);
}

TEST_F(ClassTreeTest, S3_StatisticsAddUpToTheRoot) {
  Make({{.name = "root"},
        {.name = "inner", .parent = "root", .rate = 3000},
        {.name = "a", .parent = "inner", .rate = 1000, .ceil = 1000},
        {.name = "b", .parent = "inner", .rate = 1000}});
  AddBacklogged("a");
  const MemberId b = Add("b");
  Add("b");
  tree_->Want(b, 700, 0);
  Serve(kMuch);
  now_ = 60 * kMillisecondNanos;
  const ClassTree::ClassStats a = Stats("a");
  EXPECT_TRUE(a.leaf);
  EXPECT_EQ(a.spec.burst, 400u);
  EXPECT_EQ(a.spec.cburst, 400u);
  EXPECT_EQ(a.spec.weight, 1000);
  EXPECT_EQ(a.delivered_bytes, 400u);
  EXPECT_EQ(a.throttled_nanos, 60 * kMillisecondNanos);
  EXPECT_EQ(Stats("b").delivered_bytes, 700u);
  EXPECT_EQ(Stats("b").borrowed_bytes, 300u);  // beyond its burst of 400
  EXPECT_EQ(Stats("b").throttled_nanos, 0);
  const ClassTree::ClassStats inner = Stats("inner");
  EXPECT_FALSE(inner.leaf);
  EXPECT_EQ(inner.delivered_bytes, 1100u);
  EXPECT_EQ(inner.borrowed_bytes, 700u);
  const ClassTree::ClassStats root = Stats("root");
  EXPECT_EQ(root.spec.rate, 3000u);  // left out: the sum of the children's
  EXPECT_EQ(root.delivered_bytes, 1100u);
  EXPECT_EQ(root.borrowed_bytes, 0u);
  EXPECT_EQ(root.members, 3u);
  EXPECT_EQ(root.waiting_members, 1u);
  EXPECT_EQ(root.waiting_bytes, kMuch - 400);
  now_ = 100 * kMillisecondNanos;
  Serve(kMuch);
  now_ = 150 * kMillisecondNanos;
  EXPECT_EQ(Stats("a").throttled_nanos, 150 * kMillisecondNanos);
}

TEST_F(ClassTreeTest, AThrottledClassThatWantsNothingHasNoEventAndIsNotThrottled) {
  Make({{.name = "root", .rate = 1000, .ceil = 1000}});
  const MemberId member = AddBacklogged("root");
  Serve(kMuch);
  now_ = 10 * kMillisecondNanos;
  tree_->Want(member, 0, now_);
  EXPECT_EQ(tree_->NextEventNanos(), absl::nullopt);
  now_ = kSecondNanos;
  EXPECT_EQ(Stats("root").throttled_nanos, 10 * kMillisecondNanos);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
uint64_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST_F(ClassTreeTest, AnIdleMemberCostsAtMost400Bytes) {
  Make({{.name = "root", .rate = 1000}});
  const uint64_t before = AllocatedBytes();
  constexpr uint64_t kMembers = 100'000;
  for (uint64_t i = 0; i < kMembers; ++i)
    Add("root", {.ceil = i % 2 ? 1000 : ClassTree::kUnlimited});
  EXPECT_LE(AllocatedBytes() - before, kMembers * 400);
  // A class that has been served costs no more, and waits in no heap.
  const uint64_t idle = AllocatedBytes();
  for (MemberId member = 0; member < kMembers; ++member) tree_->Want(member, 50, now_);
  EXPECT_EQ(Serve(kMuch).size(), kMembers);
  EXPECT_EQ(AllocatedBytes(), idle);
  EXPECT_EQ(tree_->NextEventNanos(), absl::nullopt);
  EXPECT_EQ(Stats("root").waiting_members, 0u);
  now_ = kSecondNanos;
  EXPECT_EQ(Serve(kMuch).size(), 0u);
}

TEST_F(ClassTreeTest, ServiceAllocatesNothing) {
  Make({{.name = "root", .rate = 2000},
        {.name = "a", .parent = "root", .rate = 1000, .ceil = 50'000},
        {.name = "b", .parent = "root", .rate = 1000}});
  std::vector<MemberId> members;
  for (int i = 0; i < 1000; ++i) members.push_back(Add(i % 3 ? "a" : "b", {.ceil = 10'000}));
  const uint64_t before = AllocatedBytes();
  uint64_t peak = before;
  for (int round = 0; round < 50; ++round) {
    for (MemberId member : members) tree_->Want(member, kMuch, now_);
    tree_->Distribute(now_, {.capacity_bytes = 100'000}, [&](MemberId id, void*, uint32_t bytes) {
      peak = std::max(peak, AllocatedBytes());
      return id % 7 == 0 ? 0 : bytes;
    });
    for (MemberId member : members) tree_->Unpark(member, now_);
    now_ += 10 * kMillisecondNanos;
  }
  EXPECT_EQ(peak, before);
  EXPECT_EQ(AllocatedBytes(), before);
}
#endif

}  // namespace
}  // namespace entropyd
