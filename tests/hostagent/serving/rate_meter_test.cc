#include "hostagent/serving/rate_meter.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(RateMeterTest, RatesFollowAndFadeOut) {
  RateMeter meter;
  uint64_t bytes = 0;
  for (int i = 0; i < 30; ++i) meter.Measure(bytes += 1'000, 1);
  EXPECT_NEAR(meter.rate(), 1'000, 1);
  for (int i = 0; i < 100; ++i) meter.Measure(bytes, 1);
  EXPECT_EQ(meter.rate(), 0);
}

TEST(RateMeterTest, WhatWasThereBeforeIsNoRate) {
  RateMeter meter;
  meter.Start(1'000'000);
  meter.Measure(1'000'000, 1);
  EXPECT_EQ(meter.rate(), 0);
}

TEST(RateMeterTest, NoTimeIsNoNews) {
  RateMeter meter;
  meter.Measure(4'000, 4);
  meter.Measure(8'000, 0);
  EXPECT_EQ(meter.rate(), 1'000);
}

}  // namespace
}  // namespace entropyd
