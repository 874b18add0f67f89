#include "hostagent/reload/reload_check.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"

namespace entropyd {
namespace {

class ReloadCheckTest : public testing::Test {
 protected:
  void Start(std::function<ReloadCheck::Result()> check) {
    check_->Start(std::move(check), [this](const ReloadCheck::Result& result) {
      results_.push_back(result.status());
    });
  }
  // A check that ends when the test lets it.
  std::function<ReloadCheck::Result()> Hanging() {
    return [go_on = go_on_, ended = ended_]() -> ReloadCheck::Result {
      go_on->WaitForNotification();
      ended->Notify();
      return config::v1::HostAgent();
    };
  }

  ManualClock clock_{kSecondNanos};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  std::unique_ptr<ReloadCheck> check_ = std::make_unique<ReloadCheck>(loop_.get());
  std::vector<absl::Status> results_;
  // A thread that is left behind uses them after the test.
  std::shared_ptr<absl::Notification> go_on_ = std::make_shared<absl::Notification>();
  std::shared_ptr<absl::Notification> ended_ = std::make_shared<absl::Notification>();
};

TEST_F(ReloadCheckTest, TheResultComesOnTheLoopAndOnce) {
  Start([]() -> ReloadCheck::Result { return absl::NotFoundError("x"); });
  EXPECT_TRUE(check_->busy());
  while (results_.empty()) loop_->RunOnce(kSecondNanos);
  EXPECT_FALSE(check_->busy());
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(results_[0]));
  Start([]() -> ReloadCheck::Result { return config::v1::HostAgent(); });
  while (results_.size() < 2) loop_->RunOnce(kSecondNanos);
  EXPECT_TRUE(results_[1].ok());
}

TEST_F(ReloadCheckTest, TheLoopTurnsWhileACheckHangsAndGivesUpInTheEnd) {
  Start(Hanging());
  loop_->RunOnce(0);
  EXPECT_TRUE(check_->busy());
  clock_.AdvanceNanos(ReloadCheck::kPatienceNanos);
  while (results_.empty()) loop_->RunOnce(kSecondNanos);
  EXPECT_TRUE(absl::IsDeadlineExceeded(results_[0]));
  // What comes too late is nobody's answer.
  Start([]() -> ReloadCheck::Result { return absl::NotFoundError("the next one's"); });
  go_on_->Notify();
  ended_->WaitForNotification();
  while (results_.size() < 2) loop_->RunOnce(kSecondNanos);
  EXPECT_TRUE(absl::IsNotFound(results_[1]));
  loop_->RunOnce(0);
  EXPECT_EQ(results_.size(), 2u);
}

TEST_F(ReloadCheckTest, WhoeverWaitsLearnsWhyItIsGivenUp) {
  check_->GiveUp(absl::AbortedError("nobody waits"));
  EXPECT_TRUE(results_.empty());
  Start(Hanging());
  check_->GiveUp(absl::AbortedError("stopping"));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_TRUE(absl::IsAborted(results_[0]));
  go_on_->Notify();
}

TEST_F(ReloadCheckTest, ItMayGoWhileItsThreadHangs) {
  Start(Hanging());
  check_.reset();
  loop_.reset();
  go_on_->Notify();
  ended_->WaitForNotification();
  EXPECT_TRUE(results_.empty());
}

TEST_F(ReloadCheckTest, WithoutAThreadTheReasonIsTold) {
  const NoMoreThreads full;
  Start([]() -> ReloadCheck::Result { return config::v1::HostAgent(); });
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_TRUE(absl::IsResourceExhausted(results_[0])) << results_[0];
}

}  // namespace
}  // namespace entropyd
