#include "hostagent/guest/primer.h"

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(PrimerTest, AnInactiveOneWantsNothing) {
  Primer primer(false);
  EXPECT_EQ(primer.want(), 0u);
  primer.OnPushed(10, 0);
  EXPECT_EQ(primer.next_check_nanos(), kNever);
  primer.OnCheck(true, kSecondNanos);
  EXPECT_EQ(primer.want(), 0u);
}

TEST(PrimerTest, WantsSixtyFourBytesAtAccept) {
  Primer primer(true);
  EXPECT_EQ(primer.want(), 64u);
  // nothing was pushed, so there is nothing to look at
  EXPECT_EQ(primer.next_check_nanos(), kNever);
}

TEST(PrimerTest, APushThatIsNotCompleteIsNotChecked) {
  Primer primer(true);
  primer.OnPushed(40, 0);
  EXPECT_EQ(primer.want(), 24u);
  EXPECT_EQ(primer.next_check_nanos(), kNever);
  primer.OnPushed(24, 7);
  EXPECT_EQ(primer.next_check_nanos(), 7 + Primer::kFirstCheckNanos);
}

TEST(PrimerTest, DoublesWhileThePeerTakesItAllUpTo64KiB) {
  Primer primer(true);
  int64_t now = 0;
  uint64_t total = 0;
  uint64_t expected = 64;
  while (primer.want() > 0) {
    EXPECT_EQ(primer.want(), expected);
    total += primer.want();
    primer.OnPushed(static_cast<uint32_t>(primer.want()), now);
    now = primer.next_check_nanos();
    primer.OnCheck(true, now);
    expected *= 2;
  }
  EXPECT_EQ(expected, 2u * 64 * 1024);
  EXPECT_GE(total, 64u * 1024);  // covers the most that can be pending
  EXPECT_EQ(primer.next_check_nanos(), kNever);
}

TEST(PrimerTest, BytesThatStayMeanThatNothingWasPending) {
  Primer primer(true);
  primer.OnPushed(64, 0);
  int64_t now = 0;
  int checks = 0;
  while (primer.next_check_nanos() != kNever) {
    ASSERT_GT(primer.next_check_nanos(), now);
    now = primer.next_check_nanos();
    primer.OnCheck(false, now);
    EXPECT_EQ(primer.want(), 0u);
    ++checks;
  }
  EXPECT_GE(now, 30 * kSecondNanos);
  EXPECT_LT(checks, 60);  // backs off
}

TEST(PrimerTest, ASlowPeerIsStillFollowed) {
  Primer primer(true);
  primer.OnPushed(64, 0);
  primer.OnCheck(false, Primer::kFirstCheckNanos);
  primer.OnCheck(true, 3 * kSecondNanos);
  EXPECT_EQ(primer.want(), 128u);
}

TEST(PrimerTest, ACommandEndsItForEver) {
  Primer primer(true);
  primer.OnCommand();
  EXPECT_EQ(primer.want(), 0u);

  Primer pushed(true);
  pushed.OnPushed(64, 0);
  pushed.OnCommand();
  EXPECT_EQ(pushed.next_check_nanos(), kNever);
  pushed.OnCheck(true, kSecondNanos);
  EXPECT_EQ(pushed.want(), 0u);
}

TEST(HandoverPrimerTest, APrimerGoesOnWhereItWas) {
  Primer before(true);
  before.OnPushed(64, kSecondNanos);
  handover::v1::Primer saved;
  before.Save(0, kSecondNanos, &saved);
  Primer after(false);
  after.Restore(saved, 100 * kSecondNanos);
  EXPECT_EQ(after.next_check_nanos(), 100 * kSecondNanos + Primer::kFirstCheckNanos);
  after.OnCheck(true, 101 * kSecondNanos);
  EXPECT_EQ(after.want(), 128u);
}

TEST(HandoverPrimerTest, WhatTheSocketRefusedIsPushedAgain) {
  Primer before(true);
  before.OnPushed(64, kSecondNanos);
  handover::v1::Primer saved;
  before.Save(10, kSecondNanos, &saved);
  Primer after(false);
  after.Restore(saved, kSecondNanos);
  EXPECT_EQ(after.want(), 10u);
  EXPECT_EQ(after.next_check_nanos(), kNever);
}

TEST(PrimerTest, WhatAPassGaveIsTakenOnce) {
  Primer primer(true);
  primer.Grant(40);
  primer.Grant(24);
  EXPECT_EQ(primer.granted(), 64u);
  EXPECT_EQ(primer.want(), 64u) << "until it is pushed";
  EXPECT_EQ(primer.TakeGranted(), 64u);
  EXPECT_EQ(primer.granted(), 0u);
  EXPECT_EQ(primer.TakeGranted(), 0u);
}

TEST(HandoverPrimerTest, TimesThatCannotBeBecomeTheNearestThatCan) {
  handover::v1::Primer saved;
  saved.set_step(64);
  saved.set_checks(true);
  saved.set_check_interval_nanos(-1);
  saved.set_check_in_nanos(INT64_MIN);
  saved.set_pushed_age_nanos(INT64_MAX);
  Primer after(false);
  after.Restore(saved, kSecondNanos);
  EXPECT_EQ(after.next_check_nanos(), kSecondNanos) << "at once, and not in the past";
  saved.set_check_in_nanos(INT64_MAX);
  saved.set_pushed_age_nanos(0);
  after.Restore(saved, kSecondNanos);
  EXPECT_EQ(after.next_check_nanos(), kSecondNanos + Primer::kLastCheckNanos);
  after.OnCheck(false, 2 * kSecondNanos);
  EXPECT_GT(after.next_check_nanos(), 2 * kSecondNanos) << "the next check comes later";
}

TEST(HandoverPrimerTest, NonsenseMakesAnInactivePrimer) {
  handover::v1::Primer saved;
  saved.set_step(1 << 20);
  Primer after(true);
  after.Restore(saved, 0);
  EXPECT_FALSE(after.active());
  EXPECT_EQ(after.want(), 0u);
}

}  // namespace
}  // namespace entropyd
