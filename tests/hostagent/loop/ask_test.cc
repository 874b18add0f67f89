#include "hostagent/loop/ask.h"

#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

class AskTest : public testing::Test {
 protected:
  SystemClock clock_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(AskTest, TheLoopsThreadAnswers) {
  std::thread::id answered_by;
  absl::StatusOr<std::string> answer;
  std::thread asker([&] {
    answer = Ask<std::string>(loop_.get(), [&] {
      answered_by = std::this_thread::get_id();
      return std::string("yes");
    });
    loop_->Stop();
  });
  loop_->Run();
  asker.join();
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "yes");
  EXPECT_EQ(answered_by, std::this_thread::get_id());
}

TEST_F(AskTest, ALoopThatStandsStillIsGivenUp) {
  const auto answer = Ask<int>(
      loop_.get(), [] { return 1; }, absl::Milliseconds(1));
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(AskTest, AQuestionThatNobodyWaitsForIsNotAnswered) {
  int ran = 0;
  const auto kept = std::make_shared<int>(7);
  EXPECT_FALSE(Ask<int>(
                   loop_.get(),
                   [&ran, kept] {
                     ++ran;
                     return *kept;
                   },
                   absl::ZeroDuration())
                   .ok());
  loop_->RunOnce(0);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(kept.use_count(), 1);  // no copy of the question is left
}

}  // namespace
}  // namespace entropyd
