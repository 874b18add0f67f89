#include "hostagent/handover/successor.h"

#include <limits>
#include <memory>
#include <string>

#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class SuccessorTest : public testing::Test {
 protected:
  // Why the process ended.
  std::string EndOf(const std::string& script, bool kill = false) {
    std::string why;
    auto successor = Successor::Spawn({"/bin/sh", "-c", script}, loop_.get(),
                                      [&](const absl::Status& status) { why = status.ToString(); });
    EXPECT_TRUE(successor.ok()) << successor.status();
    if (!successor.ok()) return "";
    if (kill) (*successor)->Kill();
    while (why.empty()) loop_->RunOnce(std::numeric_limits<int64_t>::max());
    return why;
  }

  SystemClock clock_;
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
};

TEST_F(SuccessorTest, ItsEndIsToldWithTheStatus) {
  EXPECT_THAT(EndOf("exit 7"), HasSubstr("ended with status 7"));
}

TEST_F(SuccessorTest, ItsReasonIsToldWithItsEnd) {
  EXPECT_THAT(EndOf("echo 'agent.yaml:1:1: wrong' >/dev/fd/$ENTROPYD_LAST_WORDS_FD; exit 2"),
              HasSubstr("the new process ended with status 2: agent.yaml:1:1: wrong"));
  EXPECT_THAT(EndOf("exit 2"), HasSubstr("look for its messages in this agent's log"));
}

TEST_F(SuccessorTest, AWrongConfigurationIsToldFromOtherEnds) {
  EXPECT_THAT(EndOf("exit 2"), testing::StartsWith("INVALID_ARGUMENT: "));
  EXPECT_THAT(EndOf("exit 1"), testing::StartsWith("ABORTED: "));
  EXPECT_THAT(EndOf("kill -2 $$"), testing::StartsWith("ABORTED: "));
}

TEST_F(SuccessorTest, OneThatGetsNowhereIsKilled) {
  EXPECT_THAT(EndOf("read nothing </dev/zero", /*kill=*/true), HasSubstr("ended by signal 9"));
}

TEST_F(SuccessorTest, AFileThatIsGoneIsNamed) {
  auto successor = Successor::Spawn({"/no/such/program"}, loop_.get(), [](const absl::Status&) {});
  EXPECT_EQ(successor.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(successor.status().message(), HasSubstr("/no/such/program"));
}

}  // namespace
}  // namespace entropyd
