#include "server/dispatch/byte_budget.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

using Reservation = ByteBudget::Reservation;

class ByteBudgetTest : public ::testing::Test {
 protected:
  struct Waiter final : ByteBudget::Waiter {
    Waiter(int n, std::vector<int>* woken) : number(n), order(woken) {}
    void OnRoom(int64_t) override { order->push_back(number); }
    const int number;
    std::vector<int>* const order;
  };

  std::vector<int> woken_;
  ByteBudget budget_{100, 30};
  ByteBudget part_{&budget_};
  Waiter first_{1, &woken_}, second_{2, &woken_}, third_{3, &woken_};
};

TEST_F(ByteBudgetTest, AReservationCountsHereAndAboveUntilItEnds) {
  {
    Reservation reservation(&part_);
    reservation.Grow(60);
    EXPECT_EQ(part_.used(), 60u);
    EXPECT_EQ(budget_.used(), 60u);
    EXPECT_FALSE(budget_.full());
    reservation.Grow(40);
    EXPECT_TRUE(budget_.full());
    EXPECT_FALSE(part_.full()) << "it has no limit of its own";
  }
  EXPECT_EQ(part_.used(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
  EXPECT_EQ(budget_.given_back(), 100u);
}

TEST_F(ByteBudgetTest, WhatIsSpentIsNotGivenBack) {
  Reservation reservation(&part_);
  reservation.Grow(10);
  EXPECT_EQ(reservation.Spend(), 10u);
  EXPECT_EQ(reservation.bytes(), 0u);
  reservation.Grow(7);
  EXPECT_EQ(reservation.GiveBack(), 7u);
  EXPECT_EQ(reservation.GiveBack(), 0u) << "once";
  EXPECT_EQ(part_.given_back(), 7u);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(ByteBudgetTest, AMoveToAnotherPartKeepsTheSum) {
  ByteBudget other(&budget_);
  Reservation planned(&part_), written(&other);
  planned.Grow(100);
  budget_.Await(&first_);
  EXPECT_EQ(planned.MoveTo(&written), 100u);
  EXPECT_EQ(part_.used(), 0u);
  EXPECT_EQ(other.used(), 100u);
  EXPECT_EQ(budget_.used(), 100u);
  EXPECT_EQ(part_.given_back(), 0u);
  EXPECT_FALSE(budget_.room_is_wanted());
}

TEST_F(ByteBudgetTest, AMovedReservationIsTheOthersAlone) {
  Reservation a(&part_);
  a.Grow(10);
  Reservation b(std::move(a));
  EXPECT_EQ(budget_.used(), 10u);
  Reservation c(&part_);
  c.Grow(5);
  c = std::move(b);
  EXPECT_EQ(budget_.used(), 10u) << "what the target held went back";
  EXPECT_EQ(c.GiveBack(), 10u);
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(ByteBudgetTest, RoomWakesTheLongestWaitingAMessagesWorthEach) {
  auto held = std::make_unique<Reservation>(&part_);
  Reservation rest(&part_);
  held->Grow(40);
  rest.Grow(60);
  for (Waiter* waiter : {&first_, &second_, &third_}) budget_.Await(waiter);
  budget_.Await(&first_);  // keeps its place
  EXPECT_FALSE(budget_.room_is_wanted());
  budget_.Wake(0);
  EXPECT_TRUE(woken_.empty());
  held.reset();
  EXPECT_TRUE(budget_.room_is_wanted());
  budget_.Wake(0);
  EXPECT_EQ(woken_, (std::vector<int>{1, 2})) << "40 bytes are for two";
  EXPECT_FALSE(first_.waiting());
  EXPECT_TRUE(third_.waiting());
}

TEST_F(ByteBudgetTest, RoomThatNobodyUsedIsOfferedOn) {
  Reservation held(&part_);
  held.Grow(100);
  for (Waiter* waiter : {&first_, &second_, &third_}) budget_.Await(waiter);
  held.Spend();
  held.Grow(90);
  for (const int expected : {1, 2, 3}) {
    ASSERT_TRUE(budget_.room_is_wanted());
    budget_.Wake(0);
    EXPECT_EQ(woken_.back(), expected);
  }
  EXPECT_FALSE(budget_.room_is_wanted()) << "nobody is left";
}

TEST_F(ByteBudgetTest, WhoStopsWaitingOrIsGoneIsNotWoken) {
  Reservation held(&part_);
  held.Grow(100);
  auto gone = std::make_unique<Waiter>(4, &woken_);
  budget_.Await(&first_);
  budget_.Await(gone.get());
  budget_.Await(&second_);
  budget_.Await(&third_);
  gone.reset();
  third_.StopWaiting();
  third_.StopWaiting();
  first_.StopWaiting();
  held.GiveBack();
  budget_.Wake(0);
  EXPECT_EQ(woken_, std::vector<int>{2});
  EXPECT_FALSE(budget_.room_is_wanted());
}

TEST_F(ByteBudgetTest, WaitersOutliveTheirBudget) {
  auto budget = std::make_unique<ByteBudget>(1, 1);
  budget->Await(&first_);
  budget->Await(&second_);
  budget.reset();
  EXPECT_FALSE(first_.waiting());
  EXPECT_FALSE(second_.waiting());
}

TEST_F(ByteBudgetTest, APartCountsInItsShareToo) {
  ByteShare share(50, 30, &budget_);
  part_.CountIn(&share);
  ByteBudget other(&budget_);
  other.CountIn(&share);
  Reservation plan(&part_), written(&other);
  plan.Grow(50);
  EXPECT_TRUE(share.full());
  EXPECT_FALSE(budget_.full());
  plan.MoveTo(&written);
  EXPECT_EQ(share.used(), 50u);
  EXPECT_EQ(budget_.used(), 50u);
  written.Spend();
  EXPECT_EQ(share.used(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
}

// A message's worth each, in turn with those that wait for the whole.
TEST_F(ByteBudgetTest, WaitersOfAShareAreWokenInTurnWithThoseOfTheWhole) {
  ByteShare share(60, 30, &budget_);
  part_.CountIn(&share);
  ByteBudget rest(&budget_);
  Reservation mine(&part_), others(&rest);
  mine.Grow(60);
  others.Grow(40);
  Waiter first(1, &woken_), second(2, &woken_), third(3, &woken_);
  share.Await(&first);
  share.Await(&second);
  budget_.Await(&third);
  budget_.Wake(0);
  EXPECT_TRUE(woken_.empty());
  mine.Spend();
  EXPECT_TRUE(budget_.room_is_wanted());
  budget_.Wake(0);  // room for two
  EXPECT_EQ(woken_, (std::vector<int>{3, 1})) << "the third waited before the share had room";
  EXPECT_TRUE(budget_.room_is_wanted());
  budget_.Wake(0);
  EXPECT_EQ(woken_, (std::vector<int>{3, 1, 2}));
  EXPECT_FALSE(budget_.room_is_wanted());
}

TEST_F(ByteBudgetTest, AShareWhoseWholeIsFullWaitsForIt) {
  ByteShare share(60, 30, &budget_);
  part_.CountIn(&share);
  ByteBudget rest(&budget_);
  Reservation mine(&part_), others(&rest);
  mine.Grow(60);
  others.Grow(100);
  Waiter waiter(1, &woken_);
  share.Await(&waiter);
  mine.Spend();
  EXPECT_FALSE(budget_.room_is_wanted());
  others.Spend();
  EXPECT_TRUE(budget_.room_is_wanted());
  budget_.Wake(0);
  EXPECT_EQ(woken_, std::vector<int>{1});
}

TEST_F(ByteBudgetTest, AShareThatIsGoneLeavesNobodyInAQueue) {
  Waiter waiter(1, &woken_);
  {
    ByteShare share(60, 30, &budget_);
    ByteBudget part(&budget_);
    part.CountIn(&share);
    Reservation mine(&part);
    mine.Grow(60);
    share.Await(&waiter);
    mine.Spend();
    EXPECT_TRUE(budget_.room_is_wanted());
  }
  EXPECT_FALSE(budget_.room_is_wanted());
  EXPECT_FALSE(waiter.waiting());
}

TEST_F(ByteBudgetTest, AHigherLimitOfAShareWakesWhoWaitsThere) {
  ByteBudget whole(1000, 100);
  ByteShare share(100, 100, &whole);
  ByteBudget part(&whole);
  part.CountIn(&share);
  ByteBudget::Reservation held(&part);
  held.Grow(100);
  struct Woken final : ByteBudget::Waiter {
    void OnRoom(int64_t) override { ++count; }
    int count = 0;
  } waiter;
  share.Await(&waiter);
  whole.Wake(0);
  EXPECT_EQ(waiter.count, 0);
  share.SetLimit(300, 100);
  EXPECT_TRUE(whole.room_is_wanted());
  whole.Wake(0);
  EXPECT_EQ(waiter.count, 1);
}

TEST_F(ByteBudgetTest, ALowerLimitTakesNothingAwayAndStopsWhatComes) {
  ByteBudget whole(1000, 100);
  ByteBudget::Reservation held(&whole);
  held.Grow(500);
  whole.SetLimit(400, 100);
  EXPECT_EQ(whole.used(), 500u);
  EXPECT_TRUE(whole.full());
  held.Spend();
  EXPECT_FALSE(whole.full());
}

}  // namespace
}  // namespace entropyd
