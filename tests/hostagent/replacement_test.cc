// The successor that an agent starts is a shell that ends at once. The file is checked for true.
#include "hostagent/replacement.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ReplacementTest : public AgentRig, public Succession::Subject {
 protected:
  void SetUp() override {
    AgentRig::SetUp();
    config::v1::HostAgent config;
    config::Locations locations;
    ASSERT_TRUE(config::Load(ConfigPath(), &config, &locations).ok());
    replacement_ =
        std::make_unique<Replacement>(config, &phase_, &failed_, &clock_, loop_.get(), &log_);
    succession_ = std::make_unique<Succession>(
        Succession::Options{Control() + ".handover", {"/bin/sh", "-c", "exit 3"}, false, "/bin/sh"},
        loop_.get(), nullptr, this, &log_);
    replacement_->Begin({ConfigPath(), Control(), [this] { told_ += "reloading "; },
                         [this] { told_ += "reload_failed "; }},
                        succession_.get());
  }

  int http_port() const override { return 0; }
  absl::Status LeaveServer() override { return absl::OkStatus(); }
  void ReturnToServer() override {}
  void Given() override {}
  void Released() override {}
  void ReplaceFailed(Succession::Purpose purpose, const absl::Status& why) override {
    replacement_->Failed(purpose, why);
  }
  void SuccessorEnded(const absl::Status&) override {}

  void Serve() { ASSERT_TRUE(phase_.Enter(PhaseEvent::kServe).ok()); }
  Replacement::Done Tell() {
    return [this](const absl::Status& status, const std::string&) {
      ++answers_;
      outcome_ = status;
    };
  }
  absl::Status Outcome() {
    while (answers_ == 0) loop_->RunOnce(kSecondNanos);
    EXPECT_EQ(answers_, 1);
    answers_ = 0;
    return outcome_;
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  CurrentPhase phase_{&log_};
  LoopNumber failed_;
  std::unique_ptr<Replacement> replacement_;
  std::unique_ptr<Succession> succession_;
  int answers_ = 0;
  absl::Status outcome_;
};

TEST_F(ReplacementTest, WhereThePhaseForbidsItItIsRefusedWithTheRemedy) {
  for (const bool reload : {false, true}) {
    reload ? replacement_->Reload(Tell()) : replacement_->Upgrade(Tell());
    EXPECT_EQ(Outcome(), WithRemedy(reload ? HandoverPurpose::kReload : HandoverPurpose::kUpgrade,
                                    phase_.Check(PhaseEvent::kReplace)));
  }
  EXPECT_EQ(told_, "") << "no reload has begun";
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("warning upgrade.failed"),
                                        HasSubstr("warning config.reload_failed")));
}

TEST_F(ReplacementTest, AnUpgradeStartsASuccessorAndLooksAtNoFile) {
  Serve();
  WriteConfig("nonsense: 1\n");
  replacement_->Upgrade(Tell());
  EXPECT_TRUE(succession_->has_successor());
  EXPECT_THAT(std::string(Outcome().message()), HasSubstr("status 3"));
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("error upgrade.failed")));
  EXPECT_TRUE(replacement_->config_problem().ok());
  EXPECT_EQ(told_, "");
}

TEST_F(ReplacementTest, AReloadOfAGoodFileStartsASuccessorAndTellsWhatChanges) {
  Serve();
  WriteConfig("max_guests: 500\n");
  replacement_->Reload(Tell());
  EXPECT_FALSE(succession_->has_successor()) << "the file is not checked yet";
  EXPECT_FALSE(Outcome().ok());
  EXPECT_THAT(replacement_->changes(), Contains(HasSubstr("max_guests")));
  EXPECT_EQ(told_, "reloading reload_failed ");
}

TEST_F(ReplacementTest, AFileThatCannotBeUsedStartsNobodyAndIsShownUntilItIsMended) {
  Serve();
  WriteConfig("nonsense: 1\n");
  replacement_->Reload(Tell());
  EXPECT_THAT(std::string(Outcome().message()), HasSubstr("unknown key 'nonsense'"));
  EXPECT_THAT(log_.lines(), AllOf(Contains(HasSubstr("error config.reload_failed")),
                                  Not(Contains(HasSubstr("upgrade.started")))));
  EXPECT_EQ(told_, "reloading reload_failed ");
  EXPECT_THAT(replacement_->changes(), IsEmpty());
  EXPECT_FALSE(replacement_->config_problem().ok());
  EXPECT_EQ(failed_.Get(), 1u);
  replacement_->Tick();
  EXPECT_EQ(failed_.Get(), 1u);
  WriteConfig();
  replacement_->Tick();
  EXPECT_TRUE(replacement_->config_problem().ok());
  EXPECT_EQ(failed_.Get(), 0u);
}

TEST_F(ReplacementTest, WhileAFileIsCheckedASecondIsRefused) {
  Serve();
  WriteConfig("nonsense: 1\n");
  replacement_->Reload(Tell());
  absl::Status second;
  replacement_->Upgrade([&](const absl::Status& status, const std::string&) { second = status; });
  EXPECT_TRUE(absl::IsAborted(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("another one is under way"));
  EXPECT_THAT(std::string(Outcome().message()), HasSubstr("nonsense"));
}

TEST_F(ReplacementTest, WhoeverStopsTheProcessIsToldAndNothingHasFailed) {
  Serve();
  replacement_->Reload(Tell());
  ASSERT_TRUE(phase_.Enter(PhaseEvent::kStop).ok());
  replacement_->GiveUp(phase_.Check(PhaseEvent::kReplace));
  EXPECT_TRUE(absl::IsAborted(Outcome()));
  EXPECT_EQ(told_, "reloading ");
  EXPECT_TRUE(replacement_->config_problem().ok());
}

TEST_F(ReplacementTest, BeforeItBeginsNoSuccessionHasAProblem) {
  const Replacement early({}, &phase_, &failed_, &clock_, loop_.get(), &log_);
  EXPECT_TRUE(early.handover_problem().ok());
  EXPECT_EQ(early.config_path(), "");
}

}  // namespace
}  // namespace entropyd
