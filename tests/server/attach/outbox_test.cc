#include "server/attach/outbox.h"

#include <utility>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

class OutboxTest : public ::testing::Test, public Outbox::Owner {
 protected:
  void OnSomethingToSend() override { ++announced_; }
  void OnRoom(int64_t) override { ++rooms_; }

  uint32_t Plan(uint32_t bytes, uint32_t max_ahead = 0) {
    return outbox_.Plan(&plan_, bytes, max_ahead);
  }
  // All that is planned and to be told goes out.
  bool Send(int64_t now_nanos = 0) {
    if (!outbox_.StartMessage()) return false;
    outbox_.MoveToMessage(&plan_);
    return outbox_.Seal(now_nanos);
  }
  void Tell() { outbox_.Tell(Outbox::kStates); }

  int announced_ = 0;
  int rooms_ = 0;
  PayloadBudgets budgets_{10'000, 300};
  Outbox outbox_{300, &budgets_, this};
  ByteBudget::Reservation plan_ = outbox_.NewPlan();
};

TEST_F(OutboxTest, APlanFillsOneMessageAndWaitsForTheWrite) {
  EXPECT_EQ(Plan(200), 200u);
  EXPECT_EQ(Plan(200), 100u);
  EXPECT_EQ(Plan(200), 0u);
  ASSERT_TRUE(outbox_.StartMessage());
  EXPECT_EQ(outbox_.MoveToMessage(&plan_), 300u);
  ASSERT_TRUE(outbox_.Seal(0));
  EXPECT_EQ(Plan(1), 0u);
  EXPECT_EQ(budgets_.in_flight.used(), 300u);
  outbox_.WriteEnded(0);
  EXPECT_EQ(budgets_.all.used(), 0u);
  EXPECT_EQ(Plan(1), 1u);
}

TEST_F(OutboxTest, APlanMayBeginWhileAWriteIsOutstanding) {
  Tell();
  ASSERT_TRUE(Send());
  EXPECT_EQ(Plan(150, 200), 150u);
  EXPECT_EQ(Plan(150, 200), 50u);
  EXPECT_EQ(Plan(150, 200), 0u);
  outbox_.WriteEnded(0);
  EXPECT_EQ(Plan(150, 200), 100u) << "the message is full";
  ASSERT_TRUE(Send());
  EXPECT_EQ(budgets_.in_flight.used(), 300u);
  EXPECT_EQ(outbox_.planned(), 0u);
  EXPECT_EQ(Plan(1000, 1000), 300u) << "no more than a message";
}

TEST_F(OutboxTest, ThePlansOfAllChannelsFillOneMessage) {
  ByteBudget::Reservation other = outbox_.NewPlan();
  EXPECT_EQ(Plan(200), 200u);
  EXPECT_EQ(outbox_.Plan(&other, 200, 0), 100u);
  EXPECT_EQ(outbox_.planned(), 300u);
  other.GiveBack();
  EXPECT_EQ(Plan(200), 100u);
}

TEST_F(OutboxTest, WhatThereIsToSendIsAnnouncedOnceUntilAMessageBegins) {
  Tell();
  Plan(10);
  outbox_.Tell(Outbox::kDrain);
  EXPECT_EQ(announced_, 1);
  ASSERT_TRUE(Send());
  Plan(10, 100);
  Tell();
  EXPECT_EQ(announced_, 1) << "nothing can be sent before the write has ended";
  EXPECT_FALSE(outbox_.StartMessage());
  outbox_.WriteEnded(0);
  EXPECT_EQ(announced_, 2);
}

TEST_F(OutboxTest, WhatWasGivenBackIsNothingToSend) {
  Plan(10);
  plan_.GiveBack();
  EXPECT_FALSE(outbox_.StartMessage());
  Plan(10);
  EXPECT_EQ(announced_, 2) << "the announcement is used up";
}

TEST_F(OutboxTest, NewsAreToldInOneMessageAndNeedNoGrant) {
  outbox_.Tell(Outbox::kWelcome);
  outbox_.Tell(Outbox::kDrain);
  EXPECT_EQ(outbox_.seq(), 1u);
  ASSERT_TRUE(outbox_.StartMessage());
  EXPECT_TRUE(outbox_.telling(Outbox::kWelcome));
  EXPECT_TRUE(outbox_.telling(Outbox::kDrain));
  EXPECT_FALSE(outbox_.telling(Outbox::kStates));
  ASSERT_TRUE(outbox_.Seal(0));
  EXPECT_EQ(outbox_.seq(), 2u);
  EXPECT_EQ(outbox_.news(), 0u);
  Tell();
  outbox_.WriteEnded(0);
  ASSERT_TRUE(outbox_.StartMessage());
  EXPECT_FALSE(outbox_.telling(Outbox::kWelcome)) << "it was told";
  EXPECT_TRUE(outbox_.telling(Outbox::kStates));
}

TEST_F(OutboxTest, AMessageOfWhichNothingIsLeftIsNotSent) {
  Plan(300);
  ASSERT_TRUE(outbox_.StartMessage());
  plan_.GiveBack();  // the pool refused
  EXPECT_FALSE(outbox_.Seal(0));
  EXPECT_EQ(rooms_, 1) << "those that found it full may try again";
  EXPECT_FALSE(outbox_.outstanding());
  EXPECT_EQ(outbox_.seq(), 1u);
  Plan(300);
  Tell();
  ASSERT_TRUE(outbox_.StartMessage());
  plan_.GiveBack();
  EXPECT_TRUE(outbox_.Seal(0)) << "the news remain";
}

TEST_F(OutboxTest, TheEndOfAWriteIsRoom) {
  Tell();
  ASSERT_TRUE(Send());
  EXPECT_EQ(rooms_, 0);
  outbox_.WriteEnded(0);
  EXPECT_EQ(rooms_, 1);
}

TEST_F(OutboxTest, AFullBudgetIsWaitedForUnlessAWriteWillEnd) {
  ByteBudget::Reservation others(&budgets_.planned);
  others.Grow(10'000);
  EXPECT_EQ(Plan(10), 0u);
  EXPECT_TRUE(outbox_.waiting());
  others.GiveBack();
  budgets_.all.Wake(0);
  EXPECT_EQ(rooms_, 1);
  others.Grow(10'000);
  Tell();
  ASSERT_TRUE(Send());
  EXPECT_EQ(Plan(10, 100), 0u);
  EXPECT_FALSE(outbox_.waiting());
}

TEST_F(OutboxTest, AFullShareOfTheIdentityIsWaitedForAndCountedOnce) {
  IdentityShares shares({.in_flight = 100}, &budgets_.all, 300);
  IdentityShares::Place place = shares.TakeStream("a", 0).place;
  Outbox outbox(300, &budgets_, this);
  outbox.CountIn(&place);
  ByteBudget::Reservation plan = outbox.NewPlan();
  EXPECT_EQ(outbox.Plan(&plan, 100, 0), 100u);
  EXPECT_EQ(outbox.Plan(&plan, 100, 0), 0u);
  EXPECT_EQ(outbox.Plan(&plan, 100, 0), 0u);
  EXPECT_TRUE(outbox.waiting());
  EXPECT_EQ(shares.totals().byte_waits, 1u);
  EXPECT_EQ(Plan(100), 100u) << "others have their own";
  ASSERT_TRUE(outbox.StartMessage());
  outbox.MoveToMessage(&plan);
  ASSERT_TRUE(outbox.Seal(0));
  EXPECT_EQ(place.bytes()->used(), 100u) << "what is on its way counts, too";
  outbox.WriteEnded(0);
  EXPECT_EQ(place.bytes()->used(), 0u);
}

TEST_F(OutboxTest, AHeartbeatIsDueWhenNothingWasSentForLongAndNothingIsToBeSent) {
  Tell();
  ASSERT_TRUE(Send(kSecondNanos));
  const int64_t due = kSecondNanos + Outbox::kHeartbeatAfterNanos;
  EXPECT_FALSE(outbox_.HeartbeatDue(due)) << "a write is outstanding";
  outbox_.WriteEnded(kSecondNanos);
  EXPECT_FALSE(outbox_.HeartbeatDue(due - 1));
  EXPECT_TRUE(outbox_.HeartbeatDue(due));
  outbox_.Tell(Outbox::kHeartbeat);
  EXPECT_FALSE(outbox_.HeartbeatDue(due));
  ASSERT_TRUE(Send(due)) << "it goes out without a grant";
  outbox_.WriteEnded(due);
  EXPECT_FALSE(outbox_.HeartbeatDue(due + 1));
}

TEST_F(OutboxTest, AWriteThatNobodyTakesIsStuckAfterAMinute) {
  EXPECT_FALSE(outbox_.Stuck(1000 * kSecondNanos));
  Tell();
  ASSERT_TRUE(Send(kSecondNanos));
  EXPECT_FALSE(outbox_.Stuck(61 * kSecondNanos - 1));
  EXPECT_TRUE(outbox_.Stuck(61 * kSecondNanos));
}

TEST_F(OutboxTest, AClosedOneWaitsForItsLastWriteUntilTheDeadlineAndThenFinishesOnce) {
  Tell();
  ASSERT_TRUE(Send());
  outbox_.Close(6 * kSecondNanos);
  EXPECT_FALSE(outbox_.TakeFinish());
  EXPECT_FALSE(outbox_.Stuck(6 * kSecondNanos - 1));
  EXPECT_TRUE(outbox_.Stuck(6 * kSecondNanos));
  outbox_.WriteEnded(kSecondNanos);
  EXPECT_EQ(rooms_, 0) << "nobody may plan any more";
  EXPECT_FALSE(outbox_.Stuck(7 * kSecondNanos));
  EXPECT_TRUE(outbox_.TakeFinish());
  EXPECT_FALSE(outbox_.TakeFinish()) << "once";
}

TEST_F(OutboxTest, AClosedOnePlansTellsAndWaitsForNothing) {
  ByteBudget::Reservation others(&budgets_.planned);
  others.Grow(10'000);
  Plan(10);
  ASSERT_TRUE(outbox_.waiting());
  outbox_.Close(kSecondNanos);
  EXPECT_FALSE(outbox_.waiting());
  others.GiveBack();
  EXPECT_EQ(Plan(10), 0u);
  Tell();
  EXPECT_EQ(announced_, 0);
  EXPECT_FALSE(outbox_.StartMessage());
  EXPECT_FALSE(outbox_.HeartbeatDue(kMinuteNanos));
}

}  // namespace
}  // namespace entropyd
