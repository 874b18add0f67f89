// What an agent answers at every step of its life, and what it does about that which cannot happen.
#include "hostagent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/agent_steps.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class AgentTest : public AgentSteps {
 protected:
  // What succession may tell the agent, and the event that it is.
  struct Call {
    PhaseEvent event;
    std::function<void(Succession::Subject*)> make;
  };
  static std::vector<Call> Calls() {
    const absl::Status why = absl::UnknownError("test");
    return {{PhaseEvent::kOffer, [](auto* agent) { agent->LeaveServer().IgnoreError(); }},
            {PhaseEvent::kWithdraw, [](auto* agent) { agent->ReturnToServer(); }},
            {PhaseEvent::kGo, [](auto* agent) { agent->Given(); }},
            {PhaseEvent::kLinger, [](auto* agent) { agent->Released(); }},
            {PhaseEvent::kSuccessorEnded, [why](auto* agent) { agent->SuccessorEnded(why); }}};
  }
  size_t Refusals() const {
    const auto lines = log_.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.starts_with("error agent.refused ");
    });
  }
};

// --- what cannot happen --------------------------------------------------------------------------

TEST_F(AgentTest, GuestsAreServedThoughHttpCannotOpenYet) {
  http_ = "192.0.2.1:9744";  // for documentation: nobody has it
  WriteConfig();
  Start();
  RigGuest guest(Socket());
  EXPECT_TRUE(guest.connected());
  guest.AskPid();
  Turn();
  EXPECT_EQ(guest.Pid(), absl::StrCat(getpid()));
  v1::GetStatusResponse status;
  agent_->answers()->FillStatus(&status);
  EXPECT_THAT(status.http_problem(), HasSubstr("192.0.2.1:9744"));
}

TEST_F(AgentTest, AListenerWithoutItsAddressKeepsNoOtherFromServing) {
  WriteConfig("  - {listen: \"192.0.2.1:7744\", allow_remote: true, class: default/gold}\n");
  Start();
  EXPECT_TRUE(RigGuest(Socket()).connected());
  EXPECT_THAT(agent_->answers()->Ready().message(), HasSubstr("a listener is not open"));
  v1::GetStatusResponse status;
  agent_->answers()->FillStatus(&status);
  ASSERT_EQ(status.listener_size(), 2);
  EXPECT_EQ(status.listener(0).problem(), "");
  EXPECT_THAT(status.listener(1).problem(), HasSubstr("192.0.2.1:7744"));
}

TEST_F(AgentTest, WhatCannotHappenAtAStepChangesNothingAndTheLogSaysSo) {
  for (const Step& step : Steps()) {
    for (const Call& call : Calls()) {
      if (NextPhase(step.phase, call.event).has_value()) continue;
      // It ends already.
      const bool heard = call.event == PhaseEvent::kLinger && Ending(step.phase);
      At(step);
      told_.clear();
      const size_t before = Refusals();
      call.make(agent_.get());
      EXPECT_EQ(agent_->phase(), step.phase) << step.name << ": " << PhaseEventName(call.event);
      EXPECT_EQ(Refusals() - before, heard ? 0 : 1)
          << step.name << ": " << PhaseEventName(call.event);
      EXPECT_EQ(told_, "") << step.name << ": " << PhaseEventName(call.event);
    }
  }
}

TEST_F(AgentTest, ASuccessorIsToldWhyTheAgentCannotLeaveItsServer) {
  Start();
  StopWithAGuest();
  Succession::Subject* const agent = agent_.get();
  EXPECT_THAT(agent->LeaveServer().message(),
              HasSubstr("offer the guests: not now: this agent is stopping"));
}

TEST_F(AgentTest, ASuccessorThatEndsWhileTheGuestsAreHereEndsNobody) {
  Start();
  Succession::Subject* const agent = agent_.get();
  agent->SuccessorEnded(absl::UnknownError("test"));
  Turn();
  EXPECT_TRUE(RigGuest(Socket()).connected());
  agent_->Stop();
  EXPECT_TRUE(RunToTheEnd().ok());
}

// Another process has them, so this one must not go on as if they were here.
TEST_F(AgentTest, GuestsThatWereGivenAwayUnaskedEndTheAgentWithAnError) {
  Start();
  Succession::Subject* const agent = agent_.get();
  agent->Given();
  EXPECT_THAT(RunToTheEnd().message(), HasSubstr("give the guests away: not now"));
}

TEST_F(AgentTest, SocketsOfGuestsChangeOnlyWhileTheGuestsAreHere) {
  for (const Step& step : Steps()) {
    At(step);
    const bool allowed = step.phase == Phase::kServing || step.phase == Phase::kGiving;
    const absl::Status added = Add("vm-1");
    EXPECT_EQ(added.ok(), allowed) << step.name << ": " << added;
    EXPECT_EQ(access((dir_ / "vm-1.sock").c_str(), F_OK) == 0, allowed) << step.name;
    const absl::Status removed = agent_->answers()->RemoveGuestSocket("vm-1").status();
    EXPECT_EQ(removed.ok(), allowed) << step.name << ": " << removed;
    EXPECT_EQ(absl::IsAborted(removed), !allowed) << step.name << ": " << removed;
  }
}

TEST_F(AgentTest, QuestionsAreAnsweredAtEveryStep) {
  for (const Step& step : Steps()) {
    At(step);
    v1::GetStatusResponse status;
    agent_->answers()->FillStatus(&status);
    EXPECT_EQ(status.class__size(), 1) << step.name;
    v1::ListGuestsResponse guests;
    agent_->answers()->FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), guest_ != nullptr ? 1 : 0) << step.name;
    EXPECT_EQ(agent_->answers()->GuestSockets().guests_size(), 0) << step.name;
    EXPECT_THAT(agent_->answers()->Summary(), HasSubstr("connection")) << step.name;
    EXPECT_TRUE(agent_->answers()->Healthy().ok()) << step.name;
    EXPECT_EQ(std::string(agent_->answers()->Ready().message()).find("has taken the guests over") ==
                  std::string::npos,
              !GivenAway(step.phase))
        << step.name;
  }
}

TEST_F(AgentTest, TimeMayPassAtEveryStep) {
  for (const Step& step : Steps()) {
    At(step);
    for (int i = 0; i < 30; ++i) Turn(kSecondNanos);
    if (step.phase == Phase::kServing || step.phase == Phase::kGiving) {
      EXPECT_EQ(agent_->phase(), Phase::kServing) << step.name;
      EXPECT_TRUE(RigGuest(Socket()).connected()) << step.name;
    } else {
      EXPECT_NE(agent_->phase(), Phase::kServing) << step.name;
    }
  }
}

}  // namespace
}  // namespace entropyd
