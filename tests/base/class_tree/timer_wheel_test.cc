#include "base/class_tree/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "base/process/nanos.h"

namespace entropyd {
namespace {

// Timers with the times at which they are due, and the list of those that have fired.
class TimerWheelTest : public ::testing::Test {
 protected:
  TimerWheelTest() { wheel_.Resize(kIds); }

  void Set(uint32_t id, int64_t due) {
    due_[id] = due;
    wheel_.Set(id, due);
  }
  std::set<uint32_t> Fire(int64_t now) {
    std::set<uint32_t> fired;
    int64_t last = 0;
    wheel_.Advance(now, [this](uint32_t id) { return due_.at(id); });
    while (!wheel_.empty() && wheel_.top_key() <= static_cast<uint64_t>(now)) {
      const uint32_t id = wheel_.top_id();
      EXPECT_LE(last, due_.at(id));
      last = due_.at(id);
      fired.insert(id);
      wheel_.Clear(id);
    }
    return fired;
  }

  static constexpr uint32_t kIds = 1000;
  std::vector<uint32_t> places_ = std::vector<uint32_t>(kIds, IndexedHeap::kAbsent);
  TimerWheel wheel_{&places_};
  std::map<uint32_t, int64_t> due_;
};

using Ids = std::set<uint32_t>;

TEST_F(TimerWheelTest, FiresAtItsTimeAndNotANanosecondEarlier) {
  Set(1, 10 * kMillisecondNanos);
  Set(2, 10 * kMillisecondNanos + 1);
  Set(3, 100);
  EXPECT_EQ(Fire(99), Ids());
  EXPECT_EQ(Fire(10 * kMillisecondNanos - 1), Ids({3}));
  EXPECT_EQ(Fire(10 * kMillisecondNanos), Ids({1}));
  EXPECT_EQ(Fire(10 * kMillisecondNanos + 1), Ids({2}));
  EXPECT_EQ(Fire(kSecondNanos), Ids());
}

TEST_F(TimerWheelTest, WhatIsDueAfterManyTurnsFiresThen) {
  Set(1, 3600 * kSecondNanos);
  for (int64_t now = 0; now < 3600 * kSecondNanos; now += 700 * kMillisecondNanos)
    EXPECT_EQ(Fire(now), Ids());
  EXPECT_EQ(Fire(3600 * kSecondNanos - 1), Ids());
  EXPECT_EQ(Fire(3600 * kSecondNanos), Ids({1}));
}

TEST_F(TimerWheelTest, AMonthAtOnceMissesNothing) {
  for (uint32_t id = 0; id < kIds; ++id) Set(id, (id + 1) * 7 * kSecondNanos / 10);
  EXPECT_EQ(Fire(int64_t{30} * 24 * 3600 * kSecondNanos).size(), kIds);
}

TEST_F(TimerWheelTest, AClearedTimerDoesNotFire) {
  Set(1, 10 * kMillisecondNanos);
  Set(2, 100);
  wheel_.Clear(1);
  wheel_.Clear(2);
  EXPECT_FALSE(wheel_.set(1));
  EXPECT_EQ(Fire(kSecondNanos), Ids());
}

TEST_F(TimerWheelTest, ATimerClearedAndSetLaterFiresOnceAtTheLaterTime) {
  Set(1, 10 * kMillisecondNanos);
  wheel_.Clear(1);
  Set(1, 25 * kMillisecondNanos);
  EXPECT_TRUE(wheel_.set(1));
  EXPECT_EQ(Fire(24 * kMillisecondNanos), Ids());
  EXPECT_EQ(Fire(25 * kMillisecondNanos), Ids({1}));
  EXPECT_EQ(Fire(kSecondNanos), Ids());
}

TEST_F(TimerWheelTest, AfterAResetTimesMayBeEarlier) {
  Set(1, 10 * kSecondNanos);
  wheel_.Clear(1);
  wheel_.Reset();
  Set(1, 5 * kMillisecondNanos);
  EXPECT_EQ(Fire(5 * kMillisecondNanos), Ids({1}));
  EXPECT_EQ(Fire(11 * kSecondNanos), Ids());
}

TEST_F(TimerWheelTest, ATimeThatGoesBackFiresNothing) {
  EXPECT_EQ(Fire(kSecondNanos), Ids());
  Set(1, kSecondNanos + 10 * kMillisecondNanos);
  EXPECT_EQ(Fire(0), Ids());
  EXPECT_EQ(Fire(kSecondNanos + 10 * kMillisecondNanos), Ids({1}));
}

TEST_F(TimerWheelTest, FiresWhatASortedListFires) {
  std::mt19937_64 random(20121205);
  int64_t now = 0;
  std::map<uint32_t, int64_t> expected;  // the timers that are set
  std::map<uint32_t, int64_t> latest;    // the last time to which each was set
  uint64_t fired = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint32_t id = static_cast<uint32_t>(random() % kIds);
    if (!wheel_.set(id)) {
      const int64_t due = std::max(
          latest[id], now + static_cast<int64_t>(random() % (uint64_t{1} << (10 + random() % 24))));
      latest[id] = due;
      expected[id] = due;
      Set(id, due);
    } else if (random() % 2 == 0) {
      expected.erase(id);
      wheel_.Clear(id);
    }
    if (random() % 4 != 0) continue;
    now += static_cast<int64_t>(random() % (uint64_t{1} << (random() % 28)));
    Ids due;
    for (auto it = expected.begin(); it != expected.end();) {
      const bool fires = it->second <= now;
      if (fires) due.insert(it->first);
      it = fires ? expected.erase(it) : std::next(it);
    }
    ASSERT_EQ(Fire(now), due) << "step " << step;
    fired += due.size();
  }
  EXPECT_GT(fired, 1000u);
}

}  // namespace
}  // namespace entropyd
