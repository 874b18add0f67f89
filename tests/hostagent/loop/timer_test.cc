#include "hostagent/loop/timer.h"

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class TimerTest : public testing::Test {
 protected:
  void RunAt(int64_t nanos) {
    clock_.AdvanceNanos(nanos - clock_.NowNanos());
    loop_->RunOnce(0);
  }

  ManualClock clock_{1'000};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  int ran_ = 0;
  Timer timer_{loop_.get(), [this] { ++ran_; }};
};

TEST_F(TimerTest, RunsOnceWhenItIsDueAndNotBefore) {
  EXPECT_FALSE(timer_.set());
  timer_.Set(2'000);
  EXPECT_TRUE(timer_.set());
  EXPECT_EQ(timer_.at_nanos(), 2'000);
  RunAt(1'999);
  EXPECT_EQ(ran_, 0);
  RunAt(2'000);
  EXPECT_EQ(ran_, 1);
  EXPECT_FALSE(timer_.set());
  RunAt(5'000);
  EXPECT_EQ(ran_, 1);
}

TEST_F(TimerTest, SetTakesThePlaceOfWhatWasSetBefore) {
  timer_.Set(2'000);
  timer_.Set(3'000);
  RunAt(2'500);
  EXPECT_EQ(ran_, 0);
  timer_.Set(2'400);  // earlier, and over already
  RunAt(2'500);
  EXPECT_EQ(ran_, 1);
  RunAt(4'000);
  EXPECT_EQ(ran_, 1);
}

TEST_F(TimerTest, NeverCancels) {
  timer_.Set(2'000);
  timer_.Set(kNever);
  EXPECT_FALSE(timer_.set());
  EXPECT_EQ(timer_.at_nanos(), kNever);
  RunAt(9'000);
  EXPECT_EQ(ran_, 0);
}

TEST_F(TimerTest, EndsWithItsOwner) {
  auto owned = std::make_unique<Timer>(loop_.get(), [this] { ++ran_; });
  owned->Set(2'000);
  owned.reset();
  RunAt(9'000);
  EXPECT_EQ(ran_, 0);
}

TEST_F(TimerTest, WhatItRunsMaySetItAgain) {
  std::vector<int64_t> times;
  Timer again(loop_.get(), [&] {
    times.push_back(loop_->now_nanos());
    if (times.size() < 3) again.Set(loop_->now_nanos() + 10);
  });
  again.Set(2'000);
  for (int64_t at = 1'990; at <= 2'100; at += 10) RunAt(at);
  EXPECT_THAT(times, testing::ElementsAre(2'000, 2'010, 2'020));
}

TEST_F(TimerTest, WhatItRunsMayDestroyIt) {
  std::unique_ptr<Timer> owned;
  // The timer's function holds it: a sanitizer sees a read after its end.
  const auto held = std::make_shared<int>(7);
  int seen = 0;
  owned = std::make_unique<Timer>(loop_.get(), [&owned, &seen, held] {
    owned.reset();
    seen = *held;
  });
  owned->Set(2'000);
  RunAt(2'000);
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(TimerTest, OneThatRunsMayDestroyOthersThatAreDue) {
  auto other = std::make_unique<Timer>(loop_.get(), [this] { ran_ += 100; });
  Timer first(loop_.get(), [&] { other.reset(); });
  first.Set(2'000);
  other->Set(2'001);
  RunAt(3'000);
  EXPECT_EQ(ran_, 0);
}

TEST_F(TimerTest, TimersOfOneMomentRunInTheOrderOfSetting) {
  std::vector<int> order;
  Timer one(loop_.get(), [&] { order.push_back(1); });
  Timer two(loop_.get(), [&] { order.push_back(2); });
  two.Set(2'000);
  one.Set(2'000);
  RunAt(2'000);
  EXPECT_THAT(order, testing::ElementsAre(2, 1));
}

}  // namespace
}  // namespace entropyd
