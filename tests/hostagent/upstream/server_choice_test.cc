#include "hostagent/upstream/server_choice.h"

#include <string>

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using StreamEnding = ServerChoice::Ending;

class ServerChoiceTest : public testing::Test {
 protected:
  std::string Next() const { return choice_.Pick(now_, ""); }
  void Ended(const std::string& server, StreamEnding ending, int64_t lived = 0,
             bool penalty = false) {
    choice_.Ended(server, ending, lived, penalty, now_);
  }

  int64_t now_ = 1'000 * kSecondNanos;
  ServerChoice choice_{{"primary", "second", "third"}, [] { return 0.5; }};
};

TEST_F(ServerChoiceTest, AFailedAttemptIsTheNextServersTurn) {
  EXPECT_EQ(Next(), "primary");
  Ended("primary", StreamEnding::kNotAttached);
  EXPECT_EQ(Next(), "second");
  Ended("second", StreamEnding::kNotAttached);
  EXPECT_EQ(Next(), "third");
  Ended("third", StreamEnding::kNotAttached);
  EXPECT_EQ(Next(), "primary");
}

TEST_F(ServerChoiceTest, AfterAStreamThePrimaryIsAskedAgain) {
  Ended("primary", StreamEnding::kNotAttached);
  Ended("second", StreamEnding::kAttached, 60 * kSecondNanos);
  EXPECT_EQ(Next(), "primary");
}

TEST_F(ServerChoiceTest, AServerThatFellSilentIsAskedAfterTheOthers) {
  Ended("primary", StreamEnding::kSilent, 60 * kSecondNanos);
  EXPECT_EQ(Next(), "second");
  Ended("second", StreamEnding::kNotAttached);
  Ended("third", StreamEnding::kNotAttached);
  EXPECT_EQ(Next(), "primary") << "it is under no penalty";
}

TEST_F(ServerChoiceTest, ALongStreamEndsTheBackOffHoweverItEnded) {
  for (const StreamEnding ending : {StreamEnding::kAttached, StreamEnding::kSilent}) {
    for (int i = 0; i < 10; ++i) Ended("second", StreamEnding::kNotAttached);
    EXPECT_EQ(choice_.ready_at(), now_ + 15 * kSecondNanos);
    Ended("primary", ending, ServerChoice::kSuccessNanos - 1);
    EXPECT_EQ(choice_.ready_at(), now_ + 15 * kSecondNanos) << "it was no success";
    Ended("primary", ending, ServerChoice::kSuccessNanos);
    EXPECT_EQ(choice_.ready_at(), now_ + kSecondNanos / 2);
  }
}

TEST_F(ServerChoiceTest, APenaltyAndTheOneToAvoidCountWhileThereAreOthers) {
  Ended("primary", StreamEnding::kAttached, 60 * kSecondNanos, /*penalty=*/true);
  EXPECT_EQ(Next(), "second");
  EXPECT_EQ(choice_.Pick(now_, "second"), "third");
  now_ += ServerChoice::kPenaltyNanos;
  EXPECT_EQ(Next(), "primary");
  ServerChoice alone({"only"}, [] { return 0.5; });
  EXPECT_EQ(alone.Pick(now_, "only"), "only");
}

}  // namespace
}  // namespace entropyd
