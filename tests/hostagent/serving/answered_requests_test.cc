#include "hostagent/serving/answered_requests.h"

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr int64_t kLooked = 5 * kSecondNanos;

TEST(AnsweredRequestsTest, EachWaitCountsForItsClassAndItsMember) {
  ClassCounters counters("default/gold");
  WaitCounts quick, slow;
  AnsweredRequests answered;
  answered.arrivals()->push_back(kLooked);
  answered.Were(&quick);
  answered.arrivals()->insert(answered.arrivals()->end(), {kLooked - kSecondNanos, kLooked - 7});
  answered.Were(&slow);
  EXPECT_FALSE(answered.empty());
  answered.Observe(kLooked, &counters);
  EXPECT_EQ(quick.counts[WaitBucket(0)], 1u);
  EXPECT_EQ(quick.sum_nanos, 0);
  EXPECT_EQ(slow.counts[WaitBucket(kSecondNanos)], 1u);
  EXPECT_EQ(slow.counts[WaitBucket(7)], 1u);
  EXPECT_EQ(slow.sum_nanos, kSecondNanos + 7);
  EXPECT_EQ(counters.waits[WaitBucket(0)].Get(), 2u);
  EXPECT_EQ(counters.waits[WaitBucket(kSecondNanos)].Get(), 1u);
  EXPECT_EQ(counters.wait_sum_nanos.Get(), static_cast<uint64_t>(kSecondNanos + 7));
}

TEST(AnsweredRequestsTest, AMemberThatAnsweredNothingHasWaitedForNothing) {
  ClassCounters counters("default/gold");
  WaitCounts idle, busy;
  AnsweredRequests answered;
  answered.Were(&idle);
  answered.arrivals()->push_back(kLooked - 7);
  answered.Were(&busy);
  answered.Observe(kLooked, &counters);
  EXPECT_EQ(idle.sum_nanos, 0);
  EXPECT_EQ(busy.sum_nanos, 7);
}

TEST(AnsweredRequestsTest, WhatIsCountedIsForgotten) {
  ClassCounters counters("default/gold");
  WaitCounts waits;
  AnsweredRequests answered;
  answered.arrivals()->push_back(kLooked);
  answered.Were(&waits);
  answered.Observe(kLooked, &counters);
  EXPECT_TRUE(answered.empty());
  answered.Observe(kLooked + kSecondNanos, &counters);
  EXPECT_EQ(counters.waits[WaitBucket(0)].Get(), 1u);
  EXPECT_EQ(counters.wait_sum_nanos.Get(), 0u);
}

}  // namespace
}  // namespace entropyd
