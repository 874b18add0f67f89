#include "hostagent/guest/connection_totals.h"

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr ConnectionTotals::SoFar kSoFar = {.taken = 100, .requests = 3, .throttled_nanos = 50};

TEST(ConnectionTotalsTest, TheyAreWhatTheSessionAndThePlaceCountAndWhatWasPrimed) {
  ConnectionTotals totals;
  totals.Primed(64);
  totals.waits()->Observe(WaitBucket(kMillisecondNanos), kMillisecondNanos);
  const GuestTotals all = totals.All(kSoFar);
  EXPECT_EQ(totals.primed(), 64u);
  EXPECT_EQ(all.primed, 64u);
  EXPECT_EQ(all.delivered, 164u);
  EXPECT_EQ(all.requests, 3u);
  EXPECT_EQ(all.throttled_nanos, 50);
  EXPECT_EQ(all.wait_count(), 1u);
  EXPECT_EQ(all.waits[WaitBucket(kMillisecondNanos)], 1u);
  EXPECT_EQ(all.wait_sum_nanos, kMillisecondNanos);
}

TEST(ConnectionTotalsTest, WhatWasHadElsewhereIsNotHadHere) {
  ConnectionTotals totals;
  totals.Primed(64);
  EXPECT_EQ(totals.Here(kSoFar), totals.All(kSoFar)) << "it has always been here";
  totals.Settle(kSoFar);
  EXPECT_EQ(totals.Here(kSoFar), GuestTotals());
  const GuestTotals here = totals.Here({.taken = 130, .requests = 4, .throttled_nanos = 50});
  EXPECT_EQ(here.delivered, 30u);
  EXPECT_EQ(here.primed, 0u);
  EXPECT_EQ(here.requests, 1u);
  EXPECT_EQ(here.throttled_nanos, 0) << "it has only changed its place";
}

TEST(ConnectionTotalsTest, AHandoverCarriesBoth) {
  ConnectionTotals totals;
  totals.Primed(64);
  totals.waits()->Observe(2, 9);
  totals.Settle({.taken = 40, .requests = 1, .throttled_nanos = 20});
  handover::v1::Connection saved;
  totals.Save(kSoFar, &saved);
  ConnectionTotals restored;
  restored.Restore(saved, kSoFar.taken);
  // The new place has throttled nobody.
  const ConnectionTotals::SoFar fresh = {kSoFar.taken, kSoFar.requests, 0};
  EXPECT_EQ(restored.All(fresh), totals.All(kSoFar));
  EXPECT_EQ(restored.Here(fresh), totals.Here(kSoFar));
}

TEST(ConnectionTotalsTest, WhoNeverMovedCrossesWithoutAPast) {
  ConnectionTotals totals;
  handover::v1::Connection saved;
  totals.Save(kSoFar, &saved);
  EXPECT_FALSE(saved.has_before());
  ConnectionTotals restored;
  restored.Restore(saved, kSoFar.taken);
  EXPECT_EQ(restored.Here(kSoFar).delivered, 100u);
}

TEST(ConnectionTotalsTest, TheRateOfAConnectionThatCrossedBeginsWithWhatItHad) {
  ConnectionTotals totals;
  handover::v1::Connection saved;
  saved.set_primed(1'000);
  totals.Restore(saved, 9'000);
  totals.MeasureRate(10'000, 1);
  EXPECT_EQ(totals.rate(), 0);
  totals.MeasureRate(20'000, 1);
  EXPECT_GT(totals.rate(), 0);
}

}  // namespace
}  // namespace entropyd
