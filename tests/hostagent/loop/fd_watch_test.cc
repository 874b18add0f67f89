#include "hostagent/loop/fd_watch.h"

#include <sys/epoll.h>

#include <memory>

#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/loop/watched_pair.h"

namespace entropyd {
namespace {

using testing::ElementsAre;

class FdWatchTest : public testing::Test {
 protected:
  ManualClock clock_{1'000};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  Pair pair_;
  Recorder handler_;
};

TEST_F(FdWatchTest, AReadableDescriptorCallsTheHandlerUntilTheEnd) {
  FdWatch watch(loop_.get(), &handler_);
  ASSERT_TRUE(watch.Begin(pair_.own.get(), EPOLLIN).ok());
  loop_->RunOnce(0);
  EXPECT_TRUE(handler_.seen.empty());
  pair_.Speak();
  loop_->RunOnce(0);
  loop_->RunOnce(0);  // level-triggered
  EXPECT_THAT(handler_.seen, ElementsAre(EPOLLIN, EPOLLIN));
  watch.End();
  watch.End();
  watch.Modify(EPOLLIN);
  loop_->RunOnce(0);
  EXPECT_EQ(handler_.seen.size(), 2u);
}

TEST_F(FdWatchTest, ItEndsWithItsOwner) {
  {
    FdWatch watch(loop_.get(), &handler_);
    ASSERT_TRUE(watch.Begin(pair_.own.get(), EPOLLIN).ok());
    pair_.Speak();
  }
  loop_->RunOnce(0);
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(FdWatchTest, ModifyChangesWhatIsTold) {
  FdWatch watch(loop_.get(), &handler_);
  ASSERT_TRUE(watch.Begin(pair_.own.get(), EPOLLIN).ok());
  pair_.Speak();
  watch.Modify(0);
  loop_->RunOnce(0);
  EXPECT_TRUE(handler_.seen.empty());
  watch.Modify(EPOLLIN | EPOLLOUT);
  loop_->RunOnce(0);
  EXPECT_THAT(handler_.seen, ElementsAre(EPOLLIN | EPOLLOUT));
}

TEST_F(FdWatchTest, ItWatchesOneDescriptorTheLastOne) {
  Pair second;
  FdWatch watch(loop_.get(), &handler_);
  ASSERT_TRUE(watch.Begin(pair_.own.get(), EPOLLIN).ok());
  ASSERT_TRUE(watch.Begin(second.own.get(), EPOLLIN).ok());
  pair_.Speak();
  loop_->RunOnce(0);
  EXPECT_TRUE(handler_.seen.empty());
  second.Speak();
  loop_->RunOnce(0);
  EXPECT_THAT(handler_.seen, ElementsAre(EPOLLIN));
}

TEST_F(FdWatchTest, AnEventAlreadyFetchedIsNotDeliveredAfterTheEnd) {
  Pair pairs[2];
  Recorder handlers[2];
  FdWatch watches[2] = {{loop_.get(), &handlers[0]}, {loop_.get(), &handlers[1]}};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(watches[i].Begin(pairs[i].own.get(), EPOLLIN).ok());
    pairs[i].Speak();
  }
  // The handler that is called first ends the other watch, and a new watch replaces it.
  FdWatch fresh(loop_.get(), &handler_);
  for (int i = 0; i < 2; ++i) {
    handlers[i].then = [&, i] {
      watches[1 - i].End();
      ASSERT_TRUE(fresh.Begin(pair_.own.get(), EPOLLIN).ok());
    };
  }
  loop_->RunOnce(0);
  EXPECT_EQ(handlers[0].seen.size() + handlers[1].seen.size(), 1u);
  EXPECT_TRUE(handler_.seen.empty());
}

TEST_F(FdWatchTest, AClosedDescriptorCannotBeWatched) {
  FdWatch watch(loop_.get(), &handler_);
  EXPECT_FALSE(watch.Begin(-1, EPOLLIN).ok());
  EXPECT_TRUE(watch.Begin(pair_.own.get(), EPOLLIN).ok()) << "and then another";
}

}  // namespace
}  // namespace entropyd
