#include "hostagent/loop/event_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/loop/timer.h"

namespace entropyd {
namespace {

using testing::ElementsAre;

struct Recorder final : EventLoop::Handler {
  void OnEvents(uint32_t events) override {
    seen.push_back(events);
    if (then) then();
  }
  std::vector<uint32_t> seen;
  std::function<void()> then;
};

// A connected pair: `own` can read what is written to `peer`.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    own.reset(fds[0]);
    peer.reset(fds[1]);
  }
  void Speak() { EXPECT_EQ(write(peer.get(), "x", 1), 1); }
  UniqueFd own;
  UniqueFd peer;
};

class EventLoopTest : public testing::Test {
 protected:
  ManualClock clock_{1'000};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(EventLoopTest, ReadableDescriptorCallsItsHandlerUntilUnwatched) {
  Pair pair;
  Recorder handler;
  const EventLoop::WatchId watch = loop_->Watch(pair.own.get(), EPOLLIN, &handler).value();
  loop_->RunOnce(0);
  EXPECT_TRUE(handler.seen.empty());
  pair.Speak();
  loop_->RunOnce(0);
  loop_->RunOnce(0);  // level-triggered
  EXPECT_THAT(handler.seen, ElementsAre(EPOLLIN, EPOLLIN));
  loop_->Unwatch(watch);
  loop_->RunOnce(0);
  EXPECT_EQ(handler.seen.size(), 2u);
}

TEST_F(EventLoopTest, ModifyChangesWhatIsTold) {
  Pair pair;
  Recorder handler;
  const EventLoop::WatchId watch = loop_->Watch(pair.own.get(), EPOLLIN, &handler).value();
  pair.Speak();
  loop_->Modify(watch, 0);
  loop_->RunOnce(0);
  EXPECT_TRUE(handler.seen.empty());
  loop_->Modify(watch, EPOLLIN | EPOLLOUT);
  loop_->RunOnce(0);
  EXPECT_THAT(handler.seen, ElementsAre(EPOLLIN | EPOLLOUT));
}

TEST_F(EventLoopTest, AnEventAlreadyFetchedIsNotDeliveredAfterUnwatch) {
  Pair pairs[2];
  Recorder handlers[2];
  EventLoop::WatchId watches[2];
  for (int i = 0; i < 2; ++i) {
    watches[i] = loop_->Watch(pairs[i].own.get(), EPOLLIN, &handlers[i]).value();
    pairs[i].Speak();
  }
  // The handler that is called first ends the other watch, and a new watch replaces it.
  Pair fresh;
  Recorder fresh_handler;
  for (int i = 0; i < 2; ++i) {
    handlers[i].then = [&, i] {
      loop_->Unwatch(watches[1 - i]);
      ASSERT_TRUE(loop_->Watch(fresh.own.get(), EPOLLIN, &fresh_handler).ok());
    };
  }
  loop_->RunOnce(0);
  EXPECT_EQ(handlers[0].seen.size() + handlers[1].seen.size(), 1u);
  EXPECT_TRUE(fresh_handler.seen.empty());
}

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
  ASSERT_TRUE(loop_->Watch(pair.own.get(), EPOLLIN, &handler).ok());
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
  ASSERT_TRUE(loop_->Watch(pair.own.get(), EPOLLIN, &handler).ok());
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

TEST_F(EventLoopTest, AClosedDescriptorCannotBeWatched) {
  Recorder handler;
  EXPECT_FALSE(loop_->Watch(-1, EPOLLIN, &handler).ok());
}

}  // namespace
}  // namespace entropyd
