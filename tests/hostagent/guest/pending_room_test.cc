#include "hostagent/guest/pending_room.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr size_t kFreeRuns = PendingBudget::kFree;
constexpr size_t kPartRuns = PendingBudget::kAll / PendingBudget::kParts;

class PendingRoomTest : public testing::Test {
 protected:
  PendingBudget budget_;
  const GuestKey guest_ = GuestKey::Named("guest");
};

TEST_F(PendingRoomTest, WhatIsFreeCountsNowhere) {
  PendingRoom room(&budget_);
  room.Join(guest_, kFreeRuns);
  EXPECT_EQ(budget_.used(), 0u);
  room.Hold(kFreeRuns + 1);
  EXPECT_EQ(budget_.used(), kFreeRuns + 1);
  room.Hold(kFreeRuns);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(PendingRoomTest, TwoConnectionsOfAGuestHaveOnePart) {
  PendingRoom first(&budget_);
  PendingRoom second(&budget_);
  first.Join(guest_, kPartRuns);
  second.Join(guest_, 0);
  EXPECT_EQ(first.most(), kPartRuns);
  EXPECT_EQ(second.most(), kFreeRuns);
}

TEST_F(PendingRoomTest, WhatItHoldsFollowsItToItsNextGuest) {
  PendingRoom room(&budget_);
  room.Join(guest_, kPartRuns);
  room.Leave();
  EXPECT_EQ(budget_.used(), 0u);
  room.Join(GuestKey::Named("other"), kPartRuns);
  EXPECT_EQ(budget_.used(), kPartRuns);
  EXPECT_EQ(budget_.Most(guest_, 0), (PendingBudget::kAll - kPartRuns) / PendingBudget::kParts);
}

TEST_F(PendingRoomTest, AnEndGivesBackWhatItHolds) {
  { PendingRoom(&budget_).Join(guest_, kPartRuns); }
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(PendingRoomTest, ReadingOnIsSaidOnceAndNotForTheFirstBitOfRoom) {
  PendingRoom room(&budget_);
  room.Join(guest_, 0);
  EXPECT_FALSE(room.ReadsOn(kFreeRuns)) << "nothing is unread";
  EXPECT_TRUE(room.LeaveUnread());
  EXPECT_FALSE(room.LeaveUnread()) << "told already";
  EXPECT_FALSE(room.ReadsOn(PendingRoom::kReadOnRoom - 1));
  EXPECT_TRUE(room.ReadsOn(PendingRoom::kReadOnRoom));
  EXPECT_FALSE(room.ReadsOn(kFreeRuns));
}

}  // namespace
}  // namespace entropyd
