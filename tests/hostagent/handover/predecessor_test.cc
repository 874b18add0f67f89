#include "hostagent/handover/predecessor.h"

#include <sys/socket.h>

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "base/process/clock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class PredecessorTest : public testing::Test {
 protected:
  PredecessorTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    its_end_ = HandoverLink::Create(UniqueFd(fds[0])).value();
    predecessor_ = std::make_unique<Predecessor>(HandoverLink::Create(UniqueFd(fds[1])).value(),
                                                 loop_.get(), [this] {
                                                   ++gone_;
                                                   predecessor_.reset();
                                                 });
  }
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    loop_->RunOnce(0);
  }

  ManualClock clock_{kSecondNanos};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<HandoverLink> its_end_;
  int gone_ = 0;
  std::unique_ptr<Predecessor> predecessor_;
};

TEST_F(PredecessorTest, ItIsToldThatItMayGo) {
  auto told = its_end_->Receive(absl::Now() + absl::Seconds(5));
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_TRUE(told->message.has_serving());
}

TEST_F(PredecessorTest, ItsEndIsSeenOnce) {
  Turn();
  Turn(kSecondNanos);
  EXPECT_EQ(gone_, 0);
  its_end_.reset();
  Turn(kSecondNanos);
  EXPECT_EQ(gone_, 1);
  Turn(kSecondNanos);
  EXPECT_EQ(gone_, 1);
}

TEST_F(PredecessorTest, OneThatStaysForGoodIsNotWaitedFor) {
  Turn(10 * kSecondNanos - 1);
  EXPECT_EQ(gone_, 0);
  Turn(kSecondNanos);
  EXPECT_EQ(gone_, 1);
}

TEST_F(PredecessorTest, NobodyIsToldOnceTheObjectIsGone) {
  Turn();
  predecessor_.reset();
  its_end_.reset();
  Turn(kSecondNanos);
  EXPECT_EQ(gone_, 0);
}

}  // namespace
}  // namespace entropyd
