#include "hostagent/serving/held_back.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr size_t kBig = 1 << 20;
constexpr uint64_t kMuch = HeldBack::kMax + 1;

TEST(HeldBackTest, ItIsThereWhereMoreIsOwedThanItWouldBeAndSeveralShare) {
  HeldBack held(kBig);
  EXPECT_EQ(held.bytes(), 0u);
  held.BeforePass(10'000, kMuch, 2, 0);
  EXPECT_EQ(held.bytes(), HeldBack::kMax);
  held.BeforePass(10'000, kMuch - 1, 2, 0);
  EXPECT_EQ(held.bytes(), 0u) << "there is enough for all, as soon as it comes";
  held.BeforePass(10'000, kMuch, 1, 0);
  EXPECT_EQ(held.bytes(), 0u) << "nobody else may begin to wait";
}

TEST(HeldBackTest, ASmallBufferKeepsAQuarter) {
  HeldBack held(2'000);
  held.BeforePass(1'000, kMuch, 2, 0);
  EXPECT_EQ(held.bytes(), 500u);
}

TEST(HeldBackTest, ItIsGivenAwayWhenNothingHasArrivedForASecond) {
  HeldBack held(kBig);
  held.BeforePass(10'000, kMuch, 2, 0);
  held.AfterPass(1'000, kMuch, 2, 0);
  EXPECT_EQ(held.bytes(), HeldBack::kMax);
  held.BeforePass(1'000, kMuch, 2, HeldBack::kArrivalPatienceNanos - 1);
  EXPECT_EQ(held.bytes(), HeldBack::kMax);
  held.BeforePass(1'000, kMuch, 2, HeldBack::kArrivalPatienceNanos);
  EXPECT_EQ(held.bytes(), 0u);
  held.AfterPass(0, kMuch, 2, HeldBack::kArrivalPatienceNanos);
  held.BeforePass(1, kMuch, 2, 10 * kSecondNanos);
  EXPECT_EQ(held.bytes(), HeldBack::kMax) << "a byte has come";
}

TEST(HeldBackTest, WhatLeavesWithoutAPassHidesNoArrival) {
  HeldBack held(kBig);
  held.BeforePass(5'000, kMuch, 2, 0);
  held.AfterPass(5'000, kMuch, 2, 0);
  held.LeftWithoutPass(100);
  held.BeforePass(4'950, kMuch, 2, 5 * kSecondNanos);  // 50 have come
  EXPECT_EQ(held.bytes(), HeldBack::kMax);
  held.AfterPass(50, kMuch, 2, 5 * kSecondNanos);
  held.LeftWithoutPass(100);
  held.BeforePass(1, kMuch, 2, 9 * kSecondNanos);
  EXPECT_EQ(held.bytes(), HeldBack::kMax);
}

}  // namespace
}  // namespace entropyd
