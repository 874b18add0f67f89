// Upgrades and reloads that an operator asks for, and the successor that the agent starts for them.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/agent_steps.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AgentUpgradeTest : public AgentSteps {};

TEST_F(AgentUpgradeTest, AnUpgradeIsRefusedWhereThereIsNothingToSucceed) {
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
TEST_F(AgentUpgradeTest, AReloadThatIsRefusedIsNotBegun) {
  for (const Step& step : Steps()) {
    At(step);
    told_.clear();
    WriteConfig("max_guests: 500\n");
    const absl::Status reload = Reload();
    const bool allowed = step.phase == Phase::kServing;
    EXPECT_EQ(absl::IsAborted(reload), !allowed) << step.name << ": " << reload;
    EXPECT_EQ(told_, allowed ? "reloading " : "") << step.name;
    v1::GetStatusResponse status;
    agent_->answers()->FillStatus(&status);
    EXPECT_EQ(status.reload_problem() != "", !allowed) << step.name;
    WriteConfig();
  }
}

TEST_F(AgentUpgradeTest, AReloadOfAFileThatIsWrongIsBegunAndFails) {
  Start({.successor = {"/bin/false"}});
  WriteConfig("nonsense: 1\n");
  EXPECT_THAT(Reload().message(),
              AllOf(HasSubstr("nonsense"), HasSubstr("the old configuration stays in use")));
  EXPECT_EQ(told_, "reloading reload_failed ");
  EXPECT_EQ(agent_->phase(), Phase::kServing);
}

// As when no server answers: the file that could not be reloaded is the one in use.
TEST_F(AgentUpgradeTest, AFailedReloadOfWhatIsInUseLeavesNoProblem) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(Reload())) << "there is no command to start another";
  v1::GetStatusResponse status;
  agent_->answers()->FillStatus(&status);
  EXPECT_EQ(status.reload_problem(), "");
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 0"));
}

TEST_F(AgentUpgradeTest, AFileThatIsAsBeforeAgainIsInUse) {
  Start({.successor = {"/bin/false"}});
  WriteConfig("nonsense: 1\n");
  EXPECT_FALSE(Reload().ok());
  Turn(kSecondNanos);
  v1::GetStatusResponse status;
  agent_->answers()->FillStatus(&status);
  EXPECT_THAT(status.reload_problem(), HasSubstr("nonsense"));
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 1"));
  WriteConfig();
  Turn(kSecondNanos);
  agent_->answers()->FillStatus(&status);
  EXPECT_EQ(status.reload_problem(), "");
  EXPECT_THAT(metrics_.back()->Serialize(), HasSubstr("entropyd_agent_config_reload_failed 0"));
}

TEST_F(AgentUpgradeTest, AnAgentThatCannotStartAnotherSaysSo) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(Upgrade()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Reload()));
  EXPECT_EQ(told_, "");
}

TEST_F(AgentUpgradeTest, ASecondUpgradeWaitsForTheEndOfTheFirst) {
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

TEST_F(AgentUpgradeTest, WhileAReloadIsCheckedGuestsAreServedAndNobodyElseMayAsk) {
  Start({.successor = {"/bin/false"}});
  auto outcome = std::make_shared<absl::Status>(absl::UnknownError("not yet"));
  WriteConfig("nonsense: 1\n");
  agent_->answers()->Reload(
      [outcome](const absl::Status& status, const std::string&) { *outcome = status; });
  EXPECT_TRUE(absl::IsUnknown(*outcome)) << "the loop does not wait for it";
  EXPECT_TRUE(absl::IsAborted(Upgrade()));
  EXPECT_TRUE(absl::IsAborted(Reload()));
  agent_->Stop();
  while (absl::IsUnknown(*outcome)) agent_->loop()->RunOnce(kSecondNanos);
  EXPECT_FALSE(outcome->ok());
}

// --- the successor that the agent has started itself ---------------------------------------------

class AgentSuccessorTest : public AgentSteps {
 protected:
  void SetUp() override {
    AgentSteps::SetUp();
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
  agent_->answers()->Upgrade([&](const absl::Status& status, const std::string&) {
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
  agent_->answers()->Upgrade([&](const absl::Status& status, const std::string&) {
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
    agent_->answers()->Upgrade([&](const absl::Status& status, const std::string&) {
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

}  // namespace
}  // namespace entropyd
