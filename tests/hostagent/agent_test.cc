// What an agent that serves does when somebody tells it to stop, to upgrade, to reload or to change
// a socket, at every step of a handover. agent_takes_test.cc has the other side.
#include "hostagent/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AgentTest : public AgentRig {
 protected:
  // A step of a handover as the giver sees it, and how to get there with an agent that serves.
  struct Step {
    std::string name;
    Phase phase;
    std::function<void()> reach;
  };
  std::vector<Step> Steps() {
    return {{"serving", Phase::kServing, [] {}},
            {"reached", Phase::kServing,
             [this] {
               link_ = Reach();
               Turn();
             }},
            {"offered", Phase::kGiving, [this] { link_ = Offered(); }},
            {"withdrawn", Phase::kServing,
             [this] {
               link_ = Offered();
               link_.reset();
               Turn();
             }},
            {"given", Phase::kGiven, [this] { link_ = Taken(); }},
            {"lingering", Phase::kLingering,
             [this] {
               link_ = Taken();
               EXPECT_TRUE(Say(link_.get(), Serving()).ok());
               Turn();
             }},
            {"stopping", Phase::kStopping, [this] { StopWithAGuest(); }}};
  }
  // A fresh agent at that step.
  void At(const Step& step) {
    SCOPED_TRACE(step.name);
    link_.reset();
    agent_.reset();
    lent_.clear();
    Start({.linger = true, .successor = {"/bin/false"}});
    step.reach();
    ASSERT_EQ(agent_->phase(), step.phase) << step.name;
  }
  // The guest has not read its reply yet, so that the agent lives on for a second.
  void StopWithAGuest() {
    guest_ = std::make_unique<RigGuest>(Socket());
    Turn();
    guest_->AskPid();
    Turn();
    agent_->Stop();
    Turn();
  }
  // The result of a call for a successor, when it is known at once.
  absl::Status Upgrade() {
    // It may be answered later, when this function has returned.
    auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
    agent_->Upgrade(
        [outcome](const absl::Status& status, const std::string&) { *outcome = status; });
    return *outcome;
  }
  // The same, once the file was checked.
  absl::Status Reload() {
    const size_t before = Started();
    // It may be answered later, when this function has returned.
    auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
    agent_->Reload(
        [outcome](const absl::Status& status, const std::string&) { *outcome = status; });
    while (absl::IsUnknown(*outcome) && Started() == before) {
      agent_->loop()->RunOnce(kSecondNanos);
    }
    return *outcome;
  }
  size_t Started() const {
    const auto lines = log_.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.starts_with("info upgrade.started ");
    });
  }
  absl::Status Add(const std::string& name) {
    config::v1::GuestSocket socket;
    socket.set_name(name);
    socket.set_path(dir_ / (name + ".sock"));
    socket.set_mode("0600");
    return agent_->AddGuestSocket(socket).status();
  }

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

  std::unique_ptr<HandoverLink> link_;
  std::unique_ptr<RigGuest> guest_;
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
  agent_->FillStatus(&status);
  EXPECT_THAT(status.http_problem(), HasSubstr("192.0.2.1:9744"));
}

TEST_F(AgentTest, AListenerWithoutItsAddressKeepsNoOtherFromServing) {
  WriteConfig("  - {listen: \"192.0.2.1:7744\", allow_remote: true, class: default/gold}\n");
  Start();
  EXPECT_TRUE(RigGuest(Socket()).connected());
  EXPECT_THAT(agent_->Ready().message(), HasSubstr("a listener is not open"));
  v1::GetStatusResponse status;
  agent_->FillStatus(&status);
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

// --- the side that gives -------------------------------------------------------------------------

// The guest has not read its reply yet, so that the agent lives on for a second.
TEST_F(AgentTest, AStopBetweenOfferAndRequestEndsTheHandoverAndThenTheAgent) {
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

TEST_F(AgentTest, AStopIsHeardAtEveryStepOfAHandover) {
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

TEST_F(AgentTest, WhoComesToAnAgentThatStopsIsRefusedWithTheReason) {
  Start();
  StopWithAGuest();
  auto late = Reach();
  Say(late.get(), Begin()).IgnoreError();
  Turn();
  auto answer = late->Receive(Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("this agent is stopping"));
}

TEST_F(AgentTest, AnOfferedSuccessorLearnsThatTheAgentStops) {
  Start();
  auto successor = Offered();
  agent_->Stop();
  Turn();
  auto answer = successor->Receive(Soon());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("this agent is stopping"));
}

TEST_F(AgentTest, AnUpgradeIsRefusedWhereThereIsNothingToSucceed) {
  for (const Step& step : Steps()) {
    At(step);
    const bool allowed = step.phase == Phase::kServing;
    const absl::Status upgrade = Upgrade();
    EXPECT_EQ(absl::IsAborted(upgrade), !allowed) << step.name << ": " << upgrade;
    if (!allowed) {
      EXPECT_THAT(upgrade.message(), HasSubstr("upgrade or reload: not now")) << step.name;
    }
    EXPECT_EQ(agent_->phase(), step.phase) << step.name;
  }
}

// A service manager that hears of a reload waits for its end.
TEST_F(AgentTest, AReloadThatIsRefusedIsNotBegun) {
  for (const Step& step : Steps()) {
    At(step);
    told_.clear();
    WriteConfig("max_guests: 500\n");
    const absl::Status reload = Reload();
    const bool allowed = step.phase == Phase::kServing;
    EXPECT_EQ(absl::IsAborted(reload), !allowed) << step.name << ": " << reload;
    EXPECT_EQ(told_, allowed ? "reloading " : "") << step.name;
    v1::GetStatusResponse status;
    agent_->FillStatus(&status);
    EXPECT_EQ(status.reload_problem() != "", !allowed) << step.name;
    WriteConfig();
  }
}

TEST_F(AgentTest, AReloadOfAFileThatIsWrongIsBegunAndFails) {
  Start({.successor = {"/bin/false"}});
  WriteConfig("nonsense: 1\n");
  EXPECT_THAT(Reload().message(),
              AllOf(HasSubstr("nonsense"), HasSubstr("the old configuration stays in use")));
  EXPECT_EQ(told_, "reloading reload_failed ");
  EXPECT_EQ(agent_->phase(), Phase::kServing);
}

// As when no server answers: the file that could not be reloaded is the one in use.
TEST_F(AgentTest, AFailedReloadOfWhatIsInUseLeavesNoProblem) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(Reload())) << "there is no command to start another";
  v1::GetStatusResponse status;
  agent_->FillStatus(&status);
  EXPECT_EQ(status.reload_problem(), "");
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 0"));
}

TEST_F(AgentTest, AFileThatIsAsBeforeAgainIsInUse) {
  Start({.successor = {"/bin/false"}});
  WriteConfig("nonsense: 1\n");
  EXPECT_FALSE(Reload().ok());
  Turn(kSecondNanos);
  v1::GetStatusResponse status;
  agent_->FillStatus(&status);
  EXPECT_THAT(status.reload_problem(), HasSubstr("nonsense"));
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 1"));
  WriteConfig();
  Turn(kSecondNanos);
  agent_->FillStatus(&status);
  EXPECT_EQ(status.reload_problem(), "");
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 0"));
}

TEST_F(AgentTest, AnAgentThatCannotStartAnotherSaysSo) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(Upgrade()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Reload()));
  EXPECT_EQ(told_, "");
}

// Two processes write to one stream.
TEST_F(AgentTest, LinesAboutAHandoverTellWhoSpeaks) {
  Start();
  link_ = Taken();
  agent_->Stop();
  Turn();
  for (const char* event : {"handover.begun", "handover.given", "agent.stopping"}) {
    EXPECT_THAT(log_.lines(),
                Contains(AllOf(HasSubstr(event), EndsWith(absl::StrCat(" pid=", getpid())))));
  }
}

TEST_F(AgentTest, ASecondUpgradeWaitsForTheEndOfTheFirst) {
  Start({.successor = {"/bin/sh", "-c", "read forever"}});
  EXPECT_EQ(Upgrade(), absl::UnknownError("not yet"));
  EXPECT_THAT(Upgrade().message(), HasSubstr("another one is under way"));
  EXPECT_THAT(Reload().message(), HasSubstr("another one is under way"));
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("warning upgrade.failed")));
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("warning config.reload_failed")));
  EXPECT_THAT(log_.lines(), Not(Contains(StartsWith("error")))) << "what is refused has not failed";
  EXPECT_EQ(told_, "") << "the first one may be a reload that a service manager waits for";
  agent_->Stop();
  Turn();
}

TEST_F(AgentTest, SocketsOfGuestsChangeOnlyWhileTheGuestsAreHere) {
  for (const Step& step : Steps()) {
    At(step);
    const bool allowed = step.phase == Phase::kServing || step.phase == Phase::kGiving;
    const absl::Status added = Add("vm-1");
    EXPECT_EQ(added.ok(), allowed) << step.name << ": " << added;
    EXPECT_EQ(access((dir_ / "vm-1.sock").c_str(), F_OK) == 0, allowed) << step.name;
    const absl::Status removed = agent_->RemoveGuestSocket("vm-1").status();
    EXPECT_EQ(removed.ok(), allowed) << step.name << ": " << removed;
    EXPECT_EQ(absl::IsAborted(removed), !allowed) << step.name << ": " << removed;
  }
}

TEST_F(AgentTest, ASocketThatIsAddedAfterTheOfferIsGivenAwayToo) {
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

TEST_F(AgentTest, QuestionsAreAnsweredAtEveryStep) {
  for (const Step& step : Steps()) {
    At(step);
    v1::GetStatusResponse status;
    agent_->FillStatus(&status);
    EXPECT_EQ(status.class__size(), 1) << step.name;
    v1::ListGuestsResponse guests;
    agent_->FillGuests(&guests);
    EXPECT_EQ(agent_->GuestSockets().guests_size(), 0) << step.name;
    EXPECT_THAT(agent_->Summary(), HasSubstr("connection")) << step.name;
    EXPECT_TRUE(agent_->Healthy().ok()) << step.name;
    EXPECT_EQ(std::string(agent_->Ready().message()).find("has taken the guests over") ==
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

TEST_F(AgentTest, AfterASuccessorThatDiedTheNextOneTakesOver) {
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

TEST_F(AgentTest, WhoLingersSaysSoOnceAndStopsWhenItIsTold) {
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
TEST_F(AgentTest, AStopBetweenGoAndServingIsNoLinger) {
  Start({.linger = true});
  link_ = Taken();
  agent_->Stop();
  Turn();
  EXPECT_TRUE(Say(link_.get(), Serving()).ok());
  Turn();
  EXPECT_EQ(told_, "");
  EXPECT_TRUE(RunToTheEnd().ok());
}

// --- the successor that the agent has started itself ---------------------------------------------

class AgentSuccessorTest : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    ASSERT_EQ(mkfifo(Pipe().c_str(), 0600), 0);
    alive_ = UniqueFd(open(Pipe().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  }
  std::string Pipe() const { return dir_ / "alive"; }
  // A process that holds a pipe open as long as it lives, and then runs `script`.
  std::vector<std::string> Process(const std::string& script) const {
    return {"/bin/sh", "-c", absl::StrCat("exec 3>", Pipe(), "; echo up >&3; ", script)};
  }
  // Waits until the process is there.
  void AwaitStart() {
    pollfd ready{alive_.get(), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, 5'000), 1);
    char up[3];
    ASSERT_EQ(read(alive_.get(), up, sizeof up), 3);
  }
  bool Ends() {
    pollfd ready{alive_.get(), POLLIN, 0};
    char end;
    return poll(&ready, 1, 5'000) == 1 && read(alive_.get(), &end, 1) == 0;
  }

  UniqueFd alive_;
};

// It would find no agent, and start afresh where nobody is to serve.
TEST_F(AgentSuccessorTest, OneThatHasNotComeYetEndsWithTheAgentThatIsStopped) {
  Start({.successor = Process("exec sleep 1000")});
  std::string said;
  agent_->Upgrade([&](const absl::Status& status, const std::string&) {
    said = std::string(status.message());
  });
  AwaitStart();
  agent_->Stop();
  EXPECT_TRUE(RunToTheEnd().ok());
  EXPECT_THAT(said, HasSubstr("this agent is stopping")) << "whoever asked for the upgrade is told";
  EXPECT_TRUE(Ends());
}

TEST_F(AgentSuccessorTest, OneThatEndsWhileAnotherIsOfferedTheGuestsIsAFailedUpgradeOnly) {
  Start({.successor = Process("exit 3")});
  auto by_hand = Offered();
  EXPECT_TRUE(absl::IsAborted(Upgrade())) << "a handover is under way";
  by_hand.reset();
  Turn();
  std::string said;
  agent_->Upgrade([&](const absl::Status& status, const std::string&) {
    said = std::string(status.message());
  });
  by_hand = Offered();
  while (said.empty()) agent_->loop()->RunOnce(kSecondNanos);
  EXPECT_THAT(said, HasSubstr("ended with status 3"));
  EXPECT_EQ(agent_->phase(), Phase::kGiving);
  EXPECT_TRUE(Say(by_hand.get(), Request()).ok());
  EXPECT_TRUE(Say(by_hand.get(), Prepared()).ok());
  Turn();
  EXPECT_TRUE(agent_->handed_over());
}

TEST_F(AgentSuccessorTest, OneThatGetsNowhereIsKilledAndTheNextUpgradeMayCome) {
  Start({.successor = Process("exec sleep 1000")});
  std::string said;
  const auto upgrade = [&] {
    said.clear();
    agent_->Upgrade([&](const absl::Status& status, const std::string&) {
      said = std::string(status.message());
    });
  };
  upgrade();
  AwaitStart();
  Turn(60 * kSecondNanos + 1);
  while (said.empty()) agent_->loop()->RunOnce(kSecondNanos);
  EXPECT_THAT(said, HasSubstr("ended by signal 9"));
  EXPECT_TRUE(Ends());
  upgrade();
  EXPECT_EQ(said, "");
  agent_->Stop();
  Turn();
}

TEST_F(AgentTest, WhileAReloadIsCheckedGuestsAreServedAndNobodyElseMayAsk) {
  Start({.successor = {"/bin/false"}});
  auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
  WriteConfig("nonsense: 1\n");
  agent_->Reload([outcome](const absl::Status& status, const std::string&) { *outcome = status; });
  EXPECT_TRUE(absl::IsUnknown(*outcome)) << "the loop does not wait for it";
  EXPECT_TRUE(absl::IsAborted(Upgrade()));
  EXPECT_TRUE(absl::IsAborted(Reload()));
  agent_->Stop();
  while (absl::IsUnknown(*outcome)) agent_->loop()->RunOnce(kSecondNanos);
  EXPECT_FALSE(outcome->ok());
}

TEST_F(AgentTest, SocketFilesThatSomebodyRemovesAreMadeAnew) {
  Start();
  const std::string handover = Control() + ".handover";
  for (const std::string& path : {Socket(), Control(), handover}) {
    ASSERT_EQ(unlink(path.c_str()), 0) << path;
  }
  Turn(kSecondNanos);
  for (const std::string& path : {Socket(), Control(), handover}) {
    EXPECT_TRUE(std::filesystem::is_socket(path)) << path;
    EXPECT_THAT(log_.lines(), Contains(AllOf(HasSubstr("warning listener.lost"),
                                             HasSubstr(absl::StrCat("path=", path, " ")))));
  }
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_lost_sockets_total 3"));
  // Successors find the new one.
  link_ = Offered();
  EXPECT_NE(link_, nullptr);
}

TEST_F(AgentTest, ASocketFileThatCannotBeMadeAnewIsAProblemUntilItCan) {
  Start();
  for (const std::string& path : {Socket(), Control() + ".handover"}) {
    ASSERT_EQ(unlink(path.c_str()), 0) << path;
    ASSERT_EQ(mkdir(path.c_str(), 0700), 0) << path;
  }
  Turn(kSecondNanos);
  Turn(kSecondNanos);
  v1::GetStatusResponse status;
  agent_->FillStatus(&status);
  EXPECT_THAT(status.listener(0).problem(), HasSubstr("something else than a socket"));
  EXPECT_THAT(status.handover_problem(), HasSubstr("something else than a socket"));
  EXPECT_THAT(agent_->Ready().message(), HasSubstr("its file is lost"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Upgrade()));
  const auto lines = log_.lines();
  EXPECT_EQ(
      std::count_if(lines.begin(), lines.end(),
                    [](const auto& line) { return line.starts_with("warning listener.lost"); }),
      2)
      << "once each";
  for (const std::string& path : {Socket(), Control() + ".handover"}) {
    ASSERT_EQ(rmdir(path.c_str()), 0) << path;
  }
  Turn(kSecondNanos);
  status.Clear();
  agent_->FillStatus(&status);
  EXPECT_EQ(status.listener(0).problem(), "");
  EXPECT_EQ(status.handover_problem(), "");
  EXPECT_TRUE(std::filesystem::is_socket(Socket()));
}

}  // namespace
}  // namespace entropyd
