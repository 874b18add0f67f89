// An agent that gives its guests to a successor, and is stopped or left alone on the way.
// agent_takes_test.cc has the other side.
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/agent_steps.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;

class AgentGivesTest : public AgentSteps {};

// The guest has not read its reply yet, so that the agent lives on for a second.
TEST_F(AgentGivesTest, AStopBetweenOfferAndRequestEndsTheHandoverAndThenTheAgent) {
  Start();
  RigGuest guest(Socket());
  Turn();
  guest.AskPid();
  Turn();
  auto successor = Offered();
  agent_->Stop();
  Turn();
  Say(successor.get(), Request()).IgnoreError();
  Turn();
  EXPECT_FALSE(agent_->handed_over());
  auto answer = successor->Receive(Soon());
  EXPECT_TRUE(!answer.ok() || answer->message.has_refusal());
  EXPECT_NE(guest.Pid(), "");
  EXPECT_TRUE(RunToTheEnd().ok());
}

TEST_F(AgentGivesTest, AStopIsHeardAtEveryStepOfAHandover) {
  for (const Step& step : Steps()) {
    At(step);
    const bool given = GivenAway(step.phase);
    agent_->Stop();
    agent_->Stop();  // an impatient operator
    Turn();
    EXPECT_TRUE(Ending(agent_->phase())) << step.name;
    EXPECT_EQ(agent_->handed_over(), given) << step.name;
    if (guest_ != nullptr) {
      EXPECT_NE(std::exchange(guest_, nullptr)->Pid(), "") << step.name;
    }
    Turn(2 * kSecondNanos);
    EXPECT_TRUE(RunToTheEnd().ok()) << step.name;
    EXPECT_EQ(access(Socket().c_str(), F_OK) == 0, given) << step.name << ": whose is the file?";
  }
}

TEST_F(AgentGivesTest, WhoComesToAnAgentThatStopsIsRefusedWithTheReason) {
  Start();
  StopWithAGuest();
  auto late = Reach();
  Say(late.get(), Begin()).IgnoreError();
  Turn();
  auto answer = late->Receive(Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("this agent is stopping"));
}

TEST_F(AgentGivesTest, AnOfferedSuccessorLearnsThatTheAgentStops) {
  Start();
  auto successor = Offered();
  agent_->Stop();
  Turn();
  auto answer = successor->Receive(Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("this agent is stopping"));
}

// Two processes write to one stream.
TEST_F(AgentGivesTest, LinesAboutAHandoverTellWhoSpeaks) {
  Start();
  link_ = Taken();
  agent_->Stop();
  Turn();
  for (const char* event : {"handover.begun", "handover.given", "agent.stopping"}) {
    EXPECT_THAT(log_.lines(),
                Contains(AllOf(HasSubstr(event), EndsWith(absl::StrCat(" pid=", getpid())))));
  }
}

TEST_F(AgentGivesTest, ASocketThatIsAddedAfterTheOfferIsGivenAwayToo) {
  Start();
  auto successor = Offered();
  ASSERT_TRUE(Add("vm-1").ok());
  ASSERT_TRUE(Say(successor.get(), Request()).ok());
  ASSERT_TRUE(Say(successor.get(), Prepared()).ok());
  Turn();
  auto numbers = successor->Receive(Soon());
  ASSERT_TRUE(numbers.ok() && numbers->message.has_numbers());
  EXPECT_EQ(numbers->message.numbers().listener_size(), 2);
  EXPECT_EQ(numbers->message.numbers().guest_sockets().guests(0).name(), "vm-1");
  EXPECT_TRUE(agent_->handed_over());
}

TEST_F(AgentGivesTest, AfterASuccessorThatDiedTheNextOneTakesOver) {
  Start();
  for (int i = 0; i < 3; ++i) {
    auto dies = Offered();
    EXPECT_EQ(agent_->phase(), Phase::kGiving);
    dies.reset();
    Turn();
    EXPECT_EQ(agent_->phase(), Phase::kServing);
  }
  auto takes = Taken();
  EXPECT_EQ(agent_->phase(), Phase::kGiven);
  EXPECT_TRUE(Say(takes.get(), Serving()).ok());
  Turn();
  EXPECT_TRUE(RunToTheEnd().ok());
  EXPECT_EQ(agent_->phase(), Phase::kLeaving);
}

TEST_F(AgentGivesTest, WhoLingersSaysSoOnceAndStopsWhenItIsTold) {
  Start({.linger = true});
  link_ = Taken();
  EXPECT_EQ(told_, "");
  EXPECT_TRUE(Say(link_.get(), Serving()).ok());
  Turn();
  EXPECT_EQ(told_, "lingering ");
  EXPECT_TRUE(absl::IsUnavailable(link_->Receive(Soon()).status())) << "it holds nothing any more";
  EXPECT_NE(access(Control().c_str(), F_OK), 0) << "the control socket is the successor's";
  agent_->Stop();
  EXPECT_TRUE(RunToTheEnd().ok());
}

// The successor serves, or dies, after somebody stopped the agent. The agent ends all the same.
TEST_F(AgentGivesTest, AStopBetweenGoAndServingIsNoLinger) {
  Start({.linger = true});
  link_ = Taken();
  agent_->Stop();
  Turn();
  EXPECT_TRUE(Say(link_.get(), Serving()).ok());
  Turn();
  EXPECT_EQ(told_, "");
  EXPECT_TRUE(RunToTheEnd().ok());
}

}  // namespace
}  // namespace entropyd
