#include "hostagent/upstream/server_choice.h"

#include <string>

#include "base/process/nanos.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using Ending = ServerChoice::Ending;

class ServerChoiceTest : public testing::Test {
 protected:
  std::string Next() const { return choice_.Pick(now_, ""); }
  void Ended(const std::string& server, Ending ending, int64_t lived = 0, bool penalty = false) {
    choice_.Ended(server, ending, lived, penalty, now_);
  }

  int64_t now_ = 1'000 * kSecondNanos;
  ServerChoice choice_{{"primary", "second", "third"}, [] { return 0.5; }};
};

TEST_F(ServerChoiceTest, AFailedAttemptIsTheNextServersTurn) {
  EXPECT_EQ(Next(), "primary");
  Ended("primary", Ending::kNotAttached);
  EXPECT_EQ(Next(), "second");
  Ended("second", Ending::kNotAttached);
  EXPECT_EQ(Next(), "third");
  Ended("third", Ending::kNotAttached);
  EXPECT_EQ(Next(), "primary");
}

TEST_F(ServerChoiceTest, AfterAStreamThePrimaryIsAskedAgain) {
  Ended("primary", Ending::kNotAttached);
  Ended("second", Ending::kAttached, 60 * kSecondNanos);
  EXPECT_EQ(Next(), "primary");
}

TEST_F(ServerChoiceTest, AServerThatFellSilentIsAskedAfterTheOthers) {
  Ended("primary", Ending::kSilent, 60 * kSecondNanos);
  EXPECT_EQ(Next(), "second");
  Ended("second", Ending::kNotAttached);
  Ended("third", Ending::kNotAttached);
  EXPECT_EQ(Next(), "primary") << "it is under no penalty";
}

TEST_F(ServerChoiceTest, ALongStreamEndsTheBackOffHoweverItEnded) {
  for (const Ending ending : {Ending::kAttached, Ending::kSilent}) {
    for (int i = 0; i < 10; ++i) Ended("second", Ending::kNotAttached);
    EXPECT_EQ(choice_.ready_at(), now_ + 15 * kSecondNanos);
    Ended("primary", ending, ServerChoice::kSuccessNanos - 1);
    EXPECT_EQ(choice_.ready_at(), now_ + 15 * kSecondNanos) << "it was no success";
    Ended("primary", ending, ServerChoice::kSuccessNanos);
    EXPECT_EQ(choice_.ready_at(), now_ + kSecondNanos / 2);
  }
}

TEST_F(ServerChoiceTest, APenaltyAndTheOneToAvoidCountWhileThereAreOthers) {
  Ended("primary", Ending::kAttached, 60 * kSecondNanos, /*penalty=*/true);
  EXPECT_EQ(Next(), "second");
  EXPECT_EQ(choice_.Pick(now_, "second"), "third");
  now_ += ServerChoice::kPenaltyNanos;
  EXPECT_EQ(Next(), "primary");
  ServerChoice alone({"only"}, [] { return 0.5; });
  EXPECT_EQ(alone.Pick(now_, "only"), "only");
}

}  // namespace
}  // namespace entropyd
