#include "client/ctl/await_agent.h"

#include "client/show/tables.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AwaitAgentTest : public testing::Test {
 protected:
  // `phase_at` tells the phase of the one class after so much time; before `answers_after` nobody
  // answers.
  absl::StatusOr<v1::GetStatusResponse> Await(absl::Duration answers_after,
                                              const std::function<v1::Phase()>& phase) {
    return AwaitAgent(
        [&]() -> absl::StatusOr<v1::GetStatusResponse> {
          if (passed_ < answers_after) return absl::UnavailableError("nobody");
          v1::GetStatusResponse status;
          status.set_connected(true);
          auto* one = status.add_class_();
          one->set_class_("default/nope");
          one->set_phase(phase());
          one->set_reason("no such class");
          return status;
        },
        [this] { return absl::UnixEpoch() + passed_; },
        [this](absl::Duration time) { passed_ += time; });
  }

  absl::Duration passed_;
};

TEST_F(AwaitAgentTest, AnOpenClassIsWhatIsWaitedFor) {
  const auto status = Await(absl::Seconds(1), [this] {
    return passed_ < absl::Seconds(2) ? v1::PHASE_UNSPECIFIED : v1::PHASE_OPEN;
  });
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(ClassTroubles(*status), IsEmpty());
  EXPECT_EQ(passed_, absl::Seconds(2));
}

TEST_F(AwaitAgentTest, AClassThatTheServerLacksIsToldAfterAWhile) {
  const auto status = Await(absl::Seconds(1), [] { return v1::PHASE_CLOSED; });
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(ClassTroubles(*status), ElementsAre("class default/nope is closed: no such class"));
  EXPECT_EQ(passed_, absl::Seconds(1) + kClassesPatience);
}

TEST_F(AwaitAgentTest, AnAgentThatNeverAnswersIsAnError) {
  EXPECT_TRUE(
      absl::IsUnavailable(Await(absl::InfiniteDuration(), [] { return v1::PHASE_OPEN; }).status()));
  EXPECT_EQ(passed_, kAnswerPatience);
}

}  // namespace
}  // namespace entropyd
