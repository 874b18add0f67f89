// Members of a leaf: who has turns, who is parked, who goes first, and what ends with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/process/nanos.h"
#include "tests/base/class_tree/class_tree_rig.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;

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

}  // namespace
}  // namespace entropyd
