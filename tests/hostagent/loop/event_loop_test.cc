#include "hostagent/loop/event_loop.h"

#include <sys/epoll.h>

#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/loop/timer.h"
#include "tests/hostagent/loop/watched_pair.h"

namespace entropyd {
namespace {

using testing::ElementsAre;

class EventLoopTest : public testing::Test {
 protected:
  ManualClock clock_{1'000};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(EventLoopTest, TimersRunInOrderOnceTheyAreDue) {
  std::vector<int> ran;
  Timer third(loop_.get(), [&] { ran.push_back(3); });
  Timer second(loop_.get(), [&] { ran.push_back(2); });
  Timer cancelled(loop_.get(), [&] { ran.push_back(25); });
  third.Set(3'000);
  second.Set(2'000);
  cancelled.Set(2'500);
  cancelled.Set(kNever);
  loop_->RunOnce(0);
  EXPECT_TRUE(ran.empty());
  clock_.AdvanceNanos(1'000);
  loop_->RunOnce(0);
  EXPECT_THAT(ran, ElementsAre(2));
  clock_.AdvanceNanos(1'000'000);
  loop_->RunOnce(0);
  loop_->RunOnce(0);
  EXPECT_THAT(ran, ElementsAre(2, 3));
  third.Set(kNever);  // does nothing to one that has run
}

TEST_F(EventLoopTest, TheTimeIsThatOfTheBatch) {
  clock_.AdvanceNanos(500);
  EXPECT_EQ(loop_->now_nanos(), 1'000);
  loop_->RunOnce(0);
  EXPECT_EQ(loop_->now_nanos(), 1'500);
  EXPECT_EQ(loop_->heartbeat_nanos(), 1'500);
}

TEST_F(EventLoopTest, AfterTurnComesAfterEventsTimersAndPosts) {
  std::vector<std::string> order;
  Pair pair;
  Recorder handler;
  handler.then = [&] { order.push_back("event"); };
  FdWatch watch(loop_.get(), &handler);
  ASSERT_TRUE(watch.Begin(pair.own.get(), EPOLLIN).ok());
  loop_->SetAfterTurn([&] { order.push_back("after"); });
  Timer timer(loop_.get(), [&] { order.push_back("timer"); });
  timer.Set(0);
  loop_->Post([&] { order.push_back("post"); });
  pair.Speak();
  loop_->RunOnce(0);
  EXPECT_THAT(order, ElementsAre("event", "timer", "post", "after"));
}

TEST_F(EventLoopTest, AFloodOfPostsLeavesEachTurnToOthers) {
  int ran = 0;
  for (int i = 0; i < 100; ++i) loop_->Post([&] { ++ran; });
  Pair pair;
  Recorder handler;
  FdWatch watch(loop_.get(), &handler);
  ASSERT_TRUE(watch.Begin(pair.own.get(), EPOLLIN).ok());
  pair.Speak();
  loop_->RunOnce(0);
  EXPECT_EQ(ran, EventLoop::kPostsPerTurn);
  EXPECT_EQ(handler.seen.size(), 1u);
  for (int turn = 2; turn <= 100 / EventLoop::kPostsPerTurn; ++turn) loop_->RunOnce(0);
  EXPECT_EQ(ran, 100);
}

TEST_F(EventLoopTest, AFloodOfTimersLeavesEachTurnToOthers) {
  int ran = 0;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 1'000; ++i) {
    timers.push_back(std::make_unique<Timer>(loop_.get(), [&] { ++ran; }));
    timers.back()->Set(1'500);
  }
  clock_.AdvanceNanos(1'000);
  loop_->RunOnce(0);
  EXPECT_EQ(ran, EventLoop::kTimersPerTurn);
  // No turn waits while timers are due.
  for (int turn = 1; turn <= 1'000 / EventLoop::kTimersPerTurn; ++turn) {
    loop_->RunOnce(std::numeric_limits<int64_t>::max());
  }
  EXPECT_EQ(ran, 1'000);
}

TEST_F(EventLoopTest, ATimerThatSetsItselfLeavesTheTurnToOthers) {
  int ran = 0;
  Timer* self = nullptr;
  Timer timer(loop_.get(), [&] {
    ++ran;
    self->Set(1);
  });
  self = &timer;
  timer.Set(1);
  loop_->RunOnce(0);
  EXPECT_EQ(ran, EventLoop::kTimersPerTurn);
}

TEST_F(EventLoopTest, WorkThatIsLeftBeginsTheNextTurnAtOnce) {
  int turns = 0;
  loop_->SetAfterTurn([&] {
    if (++turns < 3) loop_->TurnAgain();
  });
  // Nothing else would end the waits of the second turn and the third.
  loop_->RunOnce(0);
  loop_->RunOnce(std::numeric_limits<int64_t>::max());
  loop_->RunOnce(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(turns, 3);
}

TEST_F(EventLoopTest, SlowTurnsAreCountedAndTheLongestIsKept) {
  TurnCounters counters;
  loop_->CountTurns(&counters);
  for (int64_t millis : {1, 30, 10, 20}) {
    loop_->SetAfterTurn([&] { clock_.AdvanceNanos(millis * kMillisecondNanos); });
    loop_->RunOnce(0);
    clock_.AdvanceNanos(kSecondNanos);  // between two turns
  }
  EXPECT_EQ(counters.slow.Get(), 2u);
  EXPECT_EQ(counters.longest_nanos.Get(), uint64_t{30 * kMillisecondNanos});
}

TEST_F(EventLoopTest, PostFromAnotherThreadWakesTheLoopAndStopEndsIt) {
  SystemClock clock;
  auto loop = EventLoop::Create(&clock).value();
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 1'000; ++i) loop->Post([&] { ++ran; });
    loop->Post([&] { loop->Stop(); });
  });
  loop->Run();  // nothing else would end it
  other.join();
  EXPECT_EQ(ran, 1'000);
}

}  // namespace
}  // namespace entropyd
