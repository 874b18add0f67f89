#include "base/class_tree/class_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Specs = std::vector<ClassTree::ClassSpec>;
using MemberId = ClassTree::MemberId;

// A tree with chunks of 100 bytes, and the order in which its members are served.
class ClassTreeTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMuch = uint64_t{1} << 40;

  void Make(const Specs& specs, ClassTree::Options options = {.chunk_bytes = 100}) {
    auto tree = ClassTree::Create(options, specs);
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
  }
  MemberId Add(const std::string& leaf, const ClassTree::MemberSpec& spec = {}) {
    return tree_->AddMember(tree_->FindLeaf(leaf).value(), spec);
  }
  MemberId AddBacklogged(const std::string& leaf, const ClassTree::MemberSpec& spec = {}) {
    const MemberId member = Add(leaf, spec);
    tree_->Want(member, kMuch, now_);
    return member;
  }
  // The members that were served, in order; each takes all that it is offered.
  std::vector<MemberId> Serve(uint64_t capacity, uint32_t max_grants = 1u << 30) {
    std::vector<MemberId> order;
    result_ = tree_->Distribute(now_, {.capacity_bytes = capacity, .max_grants = max_grants},
                                [&](MemberId id, void*, uint32_t bytes) {
                                  order.push_back(id);
                                  return bytes;
                                });
    return order;
  }
  ClassTree::ClassStats Stats(const std::string& name) {
    for (const auto& stats : tree_->Stats(now_)) {
      if (stats.spec.name == name) return stats;
    }
    ADD_FAILURE() << "no class " << name;
    return {};
  }

  std::unique_ptr<ClassTree> tree_;
  ClassTree::PassResult result_;
  int64_t now_ = 0;
};

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

// --- Members ------------------------------------------------------------------------------------

TEST_F(ClassTreeTest, MembersShareTheirLeafByWeight) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId light = AddBacklogged("root", {.weight = 0.5});
  const MemberId heavy = AddBacklogged("root", {.weight = 1.5});
  Serve(100'000);
  EXPECT_EQ(tree_->MemberDelivered(light), 25'000u);
  EXPECT_EQ(tree_->MemberDelivered(heavy), 75'000u);
}

TEST_F(ClassTreeTest, WantIsALevelThatServiceLowers) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId member = Add("root");
  tree_->Want(member, 500, 0);
  tree_->Want(member, 250, 0);
  EXPECT_THAT(Serve(kMuch), ElementsAre(member, member, member));  // 100, 100, 50
  EXPECT_EQ(tree_->MemberDelivered(member), 250u);
  EXPECT_EQ(tree_->MemberWant(member), 0u);
  EXPECT_EQ(Serve(kMuch).size(), 0u);
}

TEST_F(ClassTreeTest, TheCookieComesWithTheOffer) {
  Make({{.name = "root", .rate = 1000}});
  int cookie = 0;
  const MemberId member = AddBacklogged("root", {.cookie = &cookie});
  void* seen = nullptr;
  tree_->Distribute(0, {.max_grants = 1}, [&](MemberId id, void* c, uint32_t bytes) {
    EXPECT_EQ(id, member);
    seen = c;
    return bytes;
  });
  EXPECT_EQ(seen, &cookie);
}

TEST_F(ClassTreeTest, PartialTakesAreChargedWhatWasTaken) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root");
  const MemberId b = AddBacklogged("root");
  uint64_t grants_of_a = 0;
  tree_->Distribute(0, {.capacity_bytes = 10'000}, [&](MemberId id, void*, uint32_t bytes) {
    grants_of_a += id == a;
    return id == a ? std::min(bytes, 25u) : bytes;
  });
  // Equal in bytes, so a is asked four times as often.
  EXPECT_NEAR(static_cast<double>(tree_->MemberDelivered(a)), 5000, 100);
  EXPECT_NEAR(static_cast<double>(tree_->MemberDelivered(b)), 5000, 100);
  EXPECT_EQ(grants_of_a, tree_->MemberDelivered(a) / 25);
  EXPECT_EQ(tree_->MemberWant(a), kMuch - tree_->MemberDelivered(a));
}

TEST_F(ClassTreeTest, AParkedMemberIsNotChargedAndNotAskedAgain) {
  Make({{.name = "root", .rate = 1000, .ceil = 1000}});
  const MemberId member = AddBacklogged("root");
  int asked = 0;
  auto refuse = [&](MemberId, void*, uint32_t) {
    ++asked;
    return 0u;
  };
  EXPECT_EQ(tree_->Distribute(0, {}, refuse).grants, 0u);
  EXPECT_EQ(tree_->Distribute(kSecondNanos, {}, refuse).grants, 0u);
  tree_->Want(member, 0, kSecondNanos);
  tree_->Want(member, kMuch, kSecondNanos);  // a new level does not unpark
  EXPECT_EQ(tree_->Distribute(kSecondNanos, {}, refuse).grants, 0u);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(tree_->NextEventNanos(), absl::nullopt);
  now_ = kSecondNanos;
  tree_->Unpark(member, now_);
  EXPECT_EQ(Serve(kMuch).size(), 4u);  // the whole burst: nothing was charged
}

TEST_F(ClassTreeTest, AnUnparkedMemberResumesAtVirtualTimeWithoutCatchingUp) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root");
  const MemberId b = AddBacklogged("root");
  tree_->Distribute(0, {.capacity_bytes = 1000},
                    [&](MemberId id, void*, uint32_t bytes) { return id == a ? 0 : bytes; });
  EXPECT_EQ(tree_->MemberDelivered(b), 1000u);
  tree_->Unpark(a, 0);
  // Virtual time is b's last start. So a is due before b's next start, and then they alternate.
  EXPECT_THAT(Serve(500), ElementsAre(a, b, a, b, a));
}

TEST_F(ClassTreeTest, AnUnparkedMemberDoesNotRegainWhatItHadInAdvance) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root", {.weight = 0.25});
  const MemberId b = AddBacklogged("root");
  EXPECT_THAT(Serve(100), ElementsAre(a));  // now due at 400
  tree_->Want(a, 0, 0);
  tree_->Want(a, kMuch, 0);
  EXPECT_THAT(Serve(500), ElementsAre(b, b, b, b, a));
}

// Tests GrantFirst() with an owner that takes everything.
#define GIVEN_FIRST(member, bytes) \
  tree_->GrantFirst(member, bytes, now_, [](MemberId, void*, uint32_t n) { return n; })

TEST_F(ClassTreeTest, WhoBeginsToWaitMayGoFirstAndIsChargedForIt) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root");
  const MemberId b = AddBacklogged("root");
  EXPECT_THAT(Serve(500), ElementsAre(a, b, a, b, a));
  const MemberId late = Add("root");
  EXPECT_EQ(GIVEN_FIRST(late, 100), 0u) << "it wants nothing";
  tree_->Want(late, 250, now_);
  EXPECT_EQ(GIVEN_FIRST(late, 60), 60u);
  EXPECT_EQ(tree_->MemberDelivered(late), 60u);
  EXPECT_EQ(tree_->MemberWant(late), 190u);
  EXPECT_EQ(GIVEN_FIRST(late, 100), 0u) << "it is ahead of the others";
  // b is due at virtual time, `late` 60 bytes and a 100 bytes later.
  EXPECT_THAT(Serve(300), ElementsAre(b, late, a));
}

TEST_F(ClassTreeTest, WhoHadBytesInAdvanceDoesNotGoFirst) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId quick = AddBacklogged("root");
  const MemberId b = AddBacklogged("root");
  EXPECT_THAT(Serve(100), ElementsAre(quick));
  tree_->Want(quick, 0, now_);
  tree_->Want(quick, 100, now_);  // asks again as soon as it is answered
  EXPECT_EQ(GIVEN_FIRST(quick, 100), 0u);
  EXPECT_THAT(Serve(200), ElementsAre(b, quick));
}

TEST_F(ClassTreeTest, AFloorIsAlsoForOneWhoHadBytesInAdvanceAndIsCharged) {
  Make({{.name = "root", .rate = 1000},
        {.name = "leaf", .parent = "root", .rate = 1000, .ceil = 1000, .cburst = 400}});
  const MemberId a = AddBacklogged("leaf");
  const MemberId b = AddBacklogged("leaf");
  EXPECT_THAT(Serve(100), ElementsAre(a));
  EXPECT_EQ(GIVEN_FIRST(a, 64), 0u);
  const auto take = [](MemberId, void*, uint32_t n) { return n; };
  EXPECT_EQ(tree_->GrantFloor(a, 0, now_, take), 0u);
  EXPECT_EQ(tree_->GrantFloor(a, 64, now_, take), 64u);
  EXPECT_EQ(tree_->MemberDelivered(a), 164u);
  EXPECT_THAT(Serve(200), ElementsAre(b, b)) << "a has had more than a chunk in advance";
  EXPECT_EQ(tree_->GrantFloor(b, 64, now_, take), 0u) << "no chunk is left of the class's ceiling";
}

TEST_F(ClassTreeTest, NobodyGoesFirstThroughACeilingOrTwoChunksAtATime) {
  Make({{.name = "root", .rate = 1000},
        {.name = "leaf", .parent = "root", .rate = 1000, .ceil = 1000, .cburst = 400}});
  const MemberId capped = AddBacklogged("leaf", {.ceil = 1});
  const MemberId member = AddBacklogged("leaf");
  EXPECT_EQ(GIVEN_FIRST(capped, 1000), 100u) << "a chunk";
  EXPECT_EQ(Serve(kMuch).size(), 3u) << "its and its class's burst";
  const MemberId late = AddBacklogged("leaf");
  EXPECT_EQ(GIVEN_FIRST(late, 100), 0u) << "the class has used its ceiling up";
  now_ += 100 * kMillisecondNanos;
  EXPECT_EQ(GIVEN_FIRST(late, 0), 0u);
  EXPECT_EQ(GIVEN_FIRST(late, 100), 100u);
  EXPECT_EQ(Stats("leaf").delivered_bytes, 500u);
  EXPECT_GT(tree_->MemberDelivered(member), 0u);
}

TEST_F(ClassTreeTest, WhoRefusesToGoFirstIsParked) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId member = AddBacklogged("root");
  EXPECT_EQ(tree_->GrantFirst(member, 100, now_, [](MemberId, void*, uint32_t) { return 0u; }), 0u);
  EXPECT_EQ(GIVEN_FIRST(member, 100), 0u);
  EXPECT_EQ(Serve(kMuch).size(), 0u);
  tree_->Unpark(member, now_);
  EXPECT_EQ(GIVEN_FIRST(member, 100), 100u);
}

TEST_F(ClassTreeTest, UnparkingAnIdleOrForeignStateChangesNothing) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId member = Add("root");
  tree_->Unpark(member, 0);
  EXPECT_EQ(Serve(kMuch).size(), 0u);
  tree_->Want(member, 100, 0);
  tree_->Unpark(member, 0);
  EXPECT_EQ(Serve(kMuch).size(), 1u);
}

TEST_F(ClassTreeTest, AMemberParkedWithoutWantIsIdleAfterUnpark) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId member = AddBacklogged("root");
  tree_->Distribute(0, {}, [](MemberId, void*, uint32_t) { return 0u; });
  tree_->Want(member, 0, 0);
  tree_->Unpark(member, 0);
  EXPECT_EQ(Serve(kMuch).size(), 0u);
  tree_->Want(member, 100, 0);
  EXPECT_EQ(Serve(kMuch).size(), 1u);
}

TEST_F(ClassTreeTest, AHeavierWeightCountsAtOnce) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root", {.weight = 0.001});
  const MemberId b = AddBacklogged("root");
  Serve(200);  // a's next chunk is due after a thousand of b's
  tree_->SetMemberWeight(a, 3);
  const uint64_t before = tree_->MemberDelivered(a);
  Serve(4000);
  EXPECT_NEAR(static_cast<double>(tree_->MemberDelivered(a) - before), 3000, 100);
  EXPECT_EQ(tree_->MemberDelivered(a) + tree_->MemberDelivered(b), 4200u);
}

TEST_F(ClassTreeTest, ANewWeightDoesNotForgetWhatWasHadInAdvance) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId a = AddBacklogged("root", {.weight = 0.25});
  const MemberId b = AddBacklogged("root");
  EXPECT_THAT(Serve(100), ElementsAre(a));  // due again after 400 bytes of b's
  tree_->SetMemberWeight(a, 0.5);           // ... after 200
  EXPECT_THAT(Serve(300), ElementsAre(b, b, a));
}

TEST_F(ClassTreeTest, RemovedMembersLeaveNothingBehindInAnyState) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId idle = Add("root");
  const MemberId queued = AddBacklogged("root");
  const MemberId throttled = AddBacklogged("root", {.ceil = 1000});
  const MemberId parked = AddBacklogged("root");
  tree_->Distribute(0, {.capacity_bytes = 2000},
                    [&](MemberId id, void*, uint32_t bytes) { return id == parked ? 0 : bytes; });
  ASSERT_NE(tree_->NextEventNanos(), absl::nullopt);
  for (MemberId member : {idle, queued, throttled, parked}) tree_->RemoveMember(member);
  EXPECT_EQ(tree_->NextEventNanos(), absl::nullopt);
  EXPECT_EQ(Serve(kMuch).size(), 0u);
  EXPECT_EQ(Stats("root").members, 0u);
  EXPECT_EQ(Stats("root").waiting_members, 0u);
  EXPECT_EQ(Stats("root").waiting_bytes, 0u);
}

TEST_F(ClassTreeTest, IdsAreReusedWithoutMemoryOfTheirFormerOwner) {
  Make({{.name = "root", .rate = 1000}});
  const MemberId before = AddBacklogged("root", {.ceil = 1000});
  Serve(kMuch);
  tree_->RemoveMember(before);
  const MemberId after = Add("root");
  EXPECT_EQ(after, before);
  EXPECT_EQ(tree_->MemberDelivered(after), 0u);
  EXPECT_EQ(tree_->MemberWant(after), 0u);
  tree_->Want(after, 10'000, 0);
  EXPECT_EQ(Serve(kMuch).size(), 100u);  // no ceil any more
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

// --- Names and configuration --------------------------------------------------------------------

TEST_F(ClassTreeTest, OnlyLeavesTakeMembers) {
  Make({{.name = "root"}, {.name = "a", .parent = "root", .rate = 1000}});
  EXPECT_TRUE(tree_->FindLeaf("a").ok());
  EXPECT_EQ(tree_->FindLeaf("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(tree_->FindLeaf("root").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ClassTreeTest, ParentsMayBeListedAfterTheirChildren) {
  Make({{.name = "leaf", .parent = "inner", .rate = 1000},
        {.name = "inner", .parent = "root"},
        {.name = "root"}});
  EXPECT_EQ(tree_->Stats(0).front().spec.name, "root");
  EXPECT_EQ(Stats("inner").spec.rate, 1000u);
}

TEST_F(ClassTreeTest, DefaultBurstsAreFourChunksOrTenMilliseconds) {
  Make({{.name = "root", .rate = 10'000'001, .ceil = 20'000'000}}, {.chunk_bytes = 1024});
  EXPECT_EQ(Stats("root").spec.burst, 100'001u);
  EXPECT_EQ(Stats("root").spec.cburst, 200'000u);
  Make({{.name = "root", .rate = 1000}}, {.chunk_bytes = 1024});
  EXPECT_EQ(Stats("root").spec.burst, 4096u);
}

struct Refusal {
  Specs specs;
  std::string names;  // the class
  std::string value;
  std::string remedy;
};

TEST(ClassTreeConfigTest, WrongClassesAreRefusedNamingClassValueAndRemedy) {
  const ClassTree::ClassSpec root{.name = "root"};
  const std::vector<Refusal> refusals = {
      {{root, {.name = "a", .parent = "root", .rate = 4096, .ceil = 1024}},
       "class 'a'",
       "ceil 1KiB/s is below the rate 4KiB/s",
       "raise the ceil"},
      {{{.name = "root", .rate = 2048},
        {.name = "a", .parent = "root", .rate = 1024},
        {.name = "b", .parent = "root", .rate = 1025}},
       "class 'root'",
       "rate 2KiB/s is below the sum of its children's, 2049B/s",
       "lower theirs"},
      {{root, {.name = "a", .parent = "root"}}, "class 'a'", "rate 0", "e.g. 1KiB/s"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .ceil = 0}},
       "class 'a'",
       "ceil 0",
       "leave it out"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .burst = 4095}},
       "class 'a'",
       "burst 4095B is below 4KiB",
       "raise it"},
      {{root, {.name = "a", .parent = "root", .rate = 1 << 20, .burst = 4096}},
       "class 'a'",
       "burst 4KiB is below 10486B",
       "leave it out"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .ceil = 1 << 20, .cburst = 8192}},
       "class 'a'",
       "cburst 8KiB is below 10486B",
       "raise it"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .cburst = 8192}},
       "class 'a'",
       "cburst 8KiB belongs to a ceil",
       "add a ceil"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .burst = uint64_t{5} << 30}},
       "class 'a'",
       "burst 5GiB is above 4GiB",
       "lower it"},
      {{root, {.name = "a", .parent = "root", .rate = uint64_t{512} << 30}},
       "class 'a'",
       "rate 512GiB/s is above 256GiB/s",
       "lower it"},
      {{root, {.name = "a", .parent = "root", .rate = 1, .ceil = uint64_t{512} << 30}},
       "class 'a'",
       "ceil 512GiB/s is above 256GiB/s",
       "leave it out"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .weight = -2}},
       "class 'a'",
       "weight -2",
       "positive"},
      {{root,
        {.name = "a", .parent = "root", .rate = 1000, .weight = 1e-20},
        {.name = "b", .parent = "root", .rate = 1000}},
       "class 'b'",
       "weight 1000",
       "closer"},
      {{root, {.name = "a", .parent = "root", .rate = 1000, .prio = 8}},
       "class 'a'",
       "prio 8",
       "0..7"},
      {{root, {.name = "stem"}}, "class 'stem'", "second root beside 'root'", "give it a parent"},
      {{{.name = "a", .parent = "b", .rate = 1}, {.name = "b", .parent = "a"}},
       "classes",
       "no root",
       "without a parent"},
      {{}, "classes", "no root", "without a parent"},
      {{root,
        {.name = "a", .parent = "root", .rate = 1},
        {.name = "a", .parent = "root", .rate = 1}},
       "class 'a'",
       "used twice",
       "rename"},
      {{root, {.name = "a", .parent = "roots", .rate = 1}},
       "class 'a'",
       "'roots' does not exist",
       "add that class"},
      {{root,
        {.name = "a", .parent = "b", .rate = 1},
        {.name = "b", .parent = "c"},
        {.name = "c", .parent = "b"},
        {.name = "d", .parent = "root", .rate = 1}},
       "class 'a'",
       "cycle through 'b'",
       "below the root 'root'"},
      {{root, {.parent = "root", .rate = 1}}, "class 2 of 2", "no name", "give it one"},
  };
  for (const Refusal& refusal : refusals) {
    const absl::Status status = ClassTree::Create({.chunk_bytes = 1024}, refusal.specs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << refusal.value;
    EXPECT_THAT(
        std::string(status.message()),
        AllOf(HasSubstr(refusal.names), HasSubstr(refusal.value), HasSubstr(refusal.remedy)));
  }
}

TEST(ClassTreeConfigTest, TheSmallestLegalValuesPass) {
  const Specs specs = {
      {.name = "root", .rate = 2048},
      {.name = "a", .parent = "root", .rate = 1024, .ceil = 1024, .burst = 4096, .cburst = 4096},
      {.name = "b", .parent = "root", .rate = 1024, .prio = 7}};
  EXPECT_TRUE(ClassTree::Create({.chunk_bytes = 1024}, specs).ok());
}

TEST(ClassTreeConfigTest, SimulationsMayHaveLeavesWithoutARateIfTheyHaveAWeight) {
  const ClassTree::Options options{.allow_zero_rate_leaves = true};
  Specs specs = {{.name = "root"}, {.name = "a", .parent = "root", .weight = 1}};
  EXPECT_TRUE(ClassTree::Create(options, specs).ok());
  specs[1].weight = 0;
  EXPECT_THAT(std::string(ClassTree::Create(options, specs).status().message()),
              AllOf(HasSubstr("class 'a'"), HasSubstr("weight 0")));
}

TEST(ClassTreeConfigTest, ChunksAreBounded) {
  const Specs specs = {{.name = "root", .rate = 1000}};
  EXPECT_FALSE(ClassTree::Create({.chunk_bytes = 0}, specs).ok());
  EXPECT_FALSE(ClassTree::Create({.chunk_bytes = (1 << 20) + 1}, specs).ok());
  EXPECT_TRUE(ClassTree::Create({.chunk_bytes = 1 << 20}, specs).ok());
}

}  // namespace
}  // namespace entropyd
