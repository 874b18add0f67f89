#include "hostagent/guest/half_close.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr int64_t kClosed = 7 * kSecondNanos;

TEST(HalfCloseTest, WhileThePeerMaySendThereIsNothingToLookFor) {
  const HalfClose half;
  EXPECT_FALSE(half.input_over());
  EXPECT_FALSE(half.lingering());
  EXPECT_EQ(half.next_look_nanos(), kNever);
}

TEST(HalfCloseTest, ThePeerMayReadLongAfterItHasSentAll) {
  HalfClose half;
  half.OnInputOver();
  EXPECT_TRUE(half.input_over());
  EXPECT_FALSE(half.lingering()) << "it may still be owed something";
  EXPECT_EQ(half.next_look_nanos(), kNever);
}

TEST(HalfCloseTest, WhatWasWrittenMayStayUnreadForAMoment) {
  HalfClose half;
  half.OnInputOver();
  half.Linger(kClosed);
  EXPECT_TRUE(half.lingering());
  EXPECT_FALSE(half.Over(/*all_read=*/false, kClosed));
  EXPECT_EQ(half.next_look_nanos(), kClosed + HalfClose::kLookNanos);
  EXPECT_FALSE(half.Over(false, kClosed + HalfClose::kLingerNanos - 1));
  EXPECT_TRUE(half.Over(false, kClosed + HalfClose::kLingerNanos));
}

TEST(HalfCloseTest, ItEndsAsSoonAsThePeerHasReadAll) {
  HalfClose half;
  half.OnInputOver();
  half.Linger(kClosed);
  EXPECT_TRUE(half.Over(/*all_read=*/true, kClosed));
}

TEST(HalfCloseTest, WhoMayHaveClosedAltogetherIsLookedAtOnceAtTheEnd) {
  HalfClose half;
  half.Bound(kClosed);
  half.Bound(kClosed + 1);  // the kernel tells it more than once
  EXPECT_FALSE(half.input_over()) << "its last commands may not be read yet";
  EXPECT_EQ(half.next_look_nanos(), kClosed + HalfClose::kMaxNanos);
  EXPECT_TRUE(half.Over(false, half.next_look_nanos()));
}

TEST(HalfCloseTest, WhoHasAllItsRepliesWaitsNoLongerForTheBound) {
  HalfClose half;
  half.OnInputOver();
  half.Bound(kClosed);
  half.Linger(kClosed + 1);
  EXPECT_TRUE(half.Over(false, kClosed + 1 + HalfClose::kLingerNanos));
}

}  // namespace
}  // namespace entropyd
