#include "hostagent/reload.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/process/no_more_threads.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::Not;

class ReloadTest : public AgentRig {
 protected:
  absl::Status Check() { return CheckReload(ConfigPath(), Control(), &clock_).status(); }
};

TEST_F(ReloadTest, WhatCouldBeStartedCanBeReloaded) {
  EXPECT_TRUE(Check().ok()) << Check();
  WriteConfig("max_guests: 500\n");
  EXPECT_TRUE(Check().ok()) << Check();
}

TEST_F(ReloadTest, WithoutAFileThereIsNothingToRead) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckReload("", Control(), &clock_).status()));
}

TEST_F(ReloadTest, AnUnknownKeyIsToldWithItsPlaceAndMayBeOfANewerVersion) {
  WriteConfig("nonsense: 1\n");
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("unknown key 'nonsense'"));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("entropyctl agent upgrade"));
}

TEST_F(ReloadTest, OtherMistakesHaveNothingToDoWithTheVersion) {
  WriteConfig("max_guests: many\n");
  EXPECT_THAT(std::string(Check().message()), HasSubstr("many"));
  EXPECT_THAT(std::string(Check().message()), Not(HasSubstr("version")));
  std::filesystem::remove(ConfigPath());
  EXPECT_FALSE(Check().ok());
  EXPECT_THAT(std::string(Check().message()), Not(HasSubstr("version")));
}

TEST_F(ReloadTest, ACertificateThatIsGoneIsAMistake) {
  std::filesystem::remove(dir_ / "ca/agent.key");
  EXPECT_THAT(std::string(Check().message()), HasSubstr("agent.key"));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("agent.yaml:"));
}

TEST_F(ReloadTest, StateThatNoAgentCouldStartFromIsAMistake) {
  std::filesystem::create_directory(dir_ / "state");
  EXPECT_TRUE(Check().ok()) << "nothing is there yet: " << Check();
  std::ofstream(dir_ / "state/host_id") << "nonsense\n";
  EXPECT_THAT(std::string(Check().message()), HasSubstr("host_id: not 32 hexadecimal digits"));
  std::filesystem::remove(dir_ / "state/host_id");
  std::ofstream(dir_ / "state/guests.yaml") << "nonsense: 1\n";
  EXPECT_THAT(std::string(Check().message()), HasSubstr("guests.yaml:1:1: unknown key 'nonsense'"));
}

// Successors find the running agent by this path.
TEST_F(ReloadTest, TheControlSocketStaysWhereItIs) {
  const absl::Status status = CheckReload(ConfigPath(), dir_ / "elsewhere.sock", &clock_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the running agent has " + (dir_ / "elsewhere.sock")));
}

class ConfigOnDiskTest : public ReloadTest {
 protected:
  void SetUp() override {
    ReloadTest::SetUp();
    config::v1::HostAgent config;
    config::Locations locations;
    ASSERT_TRUE(config::Load(ConfigPath(), &config, &locations).ok());
    on_disk_.emplace(config);
  }
  void Fail() { on_disk_->ReloadFailed(ConfigPath(), absl::AbortedError("no server")); }
  std::string Problem() {
    on_disk_->Look();
    return std::string(on_disk_->problem().message());
  }

  absl::optional<ConfigOnDisk> on_disk_;
};

TEST_F(ConfigOnDiskTest, WhatIsInUseIsNoProblemHoweverTheReloadEnded) {
  EXPECT_EQ(Problem(), "");
  Fail();
  EXPECT_EQ(Problem(), "");
  WriteConfig("# a comment changes nothing\n");
  Fail();
  EXPECT_EQ(Problem(), "");
}

TEST_F(ConfigOnDiskTest, AProblemStaysUntilTheFileIsAsBefore) {
  WriteConfig("max_guests: 500\n");
  EXPECT_EQ(Problem(), "") << "nobody has asked for a reload yet";
  Fail();
  EXPECT_EQ(Problem(), "no server");
  WriteConfig("max_guests: 5000\n");
  EXPECT_EQ(Problem(), "no server");
  WriteConfig();
  EXPECT_EQ(Problem(), "");
  WriteConfig("max_guests: 500\n");
  EXPECT_EQ(Problem(), "") << "a change is no failed reload";
}

TEST_F(ConfigOnDiskTest, AFileThatCannotBeReadIsNotInUse) {
  std::filesystem::remove(ConfigPath());
  Fail();
  EXPECT_EQ(Problem(), "no server");
  WriteConfig();
  EXPECT_EQ(Problem(), "");
}

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
