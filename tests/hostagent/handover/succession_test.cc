// The successor that this process starts is a shell. The test plays the one that takes over.
#include "hostagent/handover/succession.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/protocol.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using Purpose = Succession::Purpose;

class SuccessionTest : public TwoHostsTest, public Succession::Subject {
 protected:
  using Message = handover::v1::Message;

  void SetUp() override {
    TwoHostsTest::SetUp();
    Open("exec sleep 1000");
  }
  void TearDown() override {
    if (succession_ != nullptr) succession_->Stop(absl::AbortedError("test ends"));
    succession_.reset();
    TwoHostsTest::TearDown();
  }
  // With a successor that runs `script`; empty = none.
  void Open(const std::string& script, bool linger = false) {
    succession_.reset();
    Succession::Options options;
    options.path = Path();
    if (!script.empty()) options.command = {"/bin/sh", "-c", script};
    options.linger = linger;
    options.program = "/bin/sh";  // the default would be this test
    succession_ =
        std::make_unique<Succession>(options, old_.loop.get(), old_.host->state(), this, &log_);
    ASSERT_TRUE(succession_->Open().ok());
  }
  std::string Path() const { return dir_ / "agent.sock.handover"; }

  int http_port() const override { return 0; }
  absl::Status LeaveServer() override {
    calls_ += "leave ";
    return may_leave_;
  }
  void ReturnToServer() override { calls_ += "return "; }
  void Given() override { calls_ += "given "; }
  void Released() override { calls_ += "released "; }
  void ReplaceFailed(Purpose purpose, const absl::Status&) override {
    calls_ += purpose == Purpose::kReload ? "reload_failed " : "upgrade_failed ";
  }
  void SuccessorEnded(const absl::Status&) override { calls_ += "ended "; }

  void Replace(Purpose purpose = Purpose::kUpgrade) {
    ASSERT_TRUE(succession_->CanReplace().ok());
    outcome_ = absl::UnknownError("not yet");
    succession_->Replace(purpose, [this](const absl::Status& status, const std::string& version) {
      outcome_ = status;
      version_ = version;
    });
  }
  void AwaitOutcome() {
    while (absl::IsUnknown(outcome_)) old_.loop->RunOnce(kSecondNanos);
  }
  std::unique_ptr<HandoverLink> Offered() {
    auto link = HandoverLink::Connect(Path()).value();
    Message begin;
    begin.mutable_begin()->set_format_min(kHandoverFormat);
    begin.mutable_begin()->set_format_max(kHandoverFormat);
    begin.mutable_begin()->set_version("9.9");
    EXPECT_TRUE(link->Send(begin, {}, Soon()).ok());
    Turn(&old_);
    Turn(&old_);
    EXPECT_TRUE(link->Receive(Soon())->message.has_offer());
    return link;
  }
  std::unique_ptr<HandoverLink> Taken() {
    auto link = Offered();
    Message message;
    message.mutable_request();
    EXPECT_TRUE(link->Send(message, {}, Soon()).ok());
    message.mutable_prepared();
    EXPECT_TRUE(link->Send(message, {}, Soon()).ok());
    Turn(&old_);
    return link;
  }
  std::unique_ptr<Succession> succession_;
  std::string calls_;
  absl::Status may_leave_;  // the agent's answer to an offer
  absl::Status outcome_;
  std::string version_;
};

TEST_F(SuccessionTest, WithoutACommandNobodyCanBeStarted) {
  Open("");
  EXPECT_TRUE(absl::IsFailedPrecondition(succession_->CanReplace()));
  EXPECT_EQ(Offered() == nullptr, false) << "but one may come";
}

TEST_F(SuccessionTest, OneReplacementAtATime) {
  Replace();
  EXPECT_TRUE(succession_->has_successor());
  EXPECT_TRUE(absl::IsAborted(succession_->CanReplace()));
}

TEST_F(SuccessionTest, ASuccessorThatEndsIsAFailureOfWhatItWasStartedFor) {
  Open("exit 3");
  Replace(Purpose::kReload);
  AwaitOutcome();
  EXPECT_THAT(outcome_.message(), HasSubstr("ended with status"));
  EXPECT_EQ(calls_, "reload_failed ");
  EXPECT_FALSE(succession_->has_successor());
  EXPECT_TRUE(succession_->CanReplace().ok());
}

TEST_F(SuccessionTest, AProgramThatIsGoneIsAFailureAtOnce) {
  succession_.reset();
  succession_ = std::make_unique<Succession>(
      Succession::Options{Path(), {"/no/such/program"}, false, "/bin/false"}, old_.loop.get(),
      old_.host->state(), this, &log_);
  Replace();
  EXPECT_TRUE(absl::IsNotFound(outcome_));
  EXPECT_EQ(calls_, "upgrade_failed ");
}

TEST_F(SuccessionTest, WhyTheHandoverFailedIsToldBesideTheExitStatus) {
  Open("exec sleep 1000");
  Replace();
  auto link = Offered();
  Message refusal;
  refusal.mutable_refusal()->set_reason("no server");
  EXPECT_TRUE(link->Send(refusal, {}, Soon()).ok());
  Turn(&old_);
  Turn(&old_, 60 * kSecondNanos + 1);
  AwaitOutcome();
  EXPECT_THAT(outcome_.message(), HasSubstr("no server (the new process was ended by signal 9)"));
  EXPECT_EQ(calls_, "leave return upgrade_failed ");
}

TEST_F(SuccessionTest, WhoeverTakesTheGuestsTheUpgradeIsDone) {
  Replace();
  auto link = Taken();
  EXPECT_TRUE(outcome_.ok());
  EXPECT_EQ(version_, "9.9");
  EXPECT_EQ(calls_, "leave given ");
  EXPECT_FALSE(succession_->has_successor()) << "the one that took them is not the one started";
  Turn(&old_, 60 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "leave given released ");
}

TEST_F(SuccessionTest, WhoComesWhenTheAgentCannotLeaveItsServerGetsNothing) {
  may_leave_ = absl::AbortedError("not now");
  auto link = HandoverLink::Connect(Path()).value();
  Message begin;
  begin.mutable_begin()->set_format_min(kHandoverFormat);
  begin.mutable_begin()->set_format_max(kHandoverFormat);
  EXPECT_TRUE(link->Send(begin, {}, Soon()).ok());
  Turn(&old_);
  Turn(&old_);
  EXPECT_EQ(link->Receive(Soon())->message.refusal().reason(), "not now");
  EXPECT_EQ(calls_, "leave ");
}

TEST_F(SuccessionTest, AStopEndsTheSuccessorAndAnswersWhoWaits) {
  Replace();
  auto link = Offered();
  succession_->Stop(absl::AbortedError("this agent is stopping"));
  EXPECT_EQ(outcome_, absl::AbortedError("this agent is stopping"));
  EXPECT_FALSE(succession_->has_successor());
  EXPECT_EQ(link->Receive(Soon())->message.refusal().reason(), "this agent is stopping");
  Turn(&old_, 60 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "leave ");
}

TEST_F(SuccessionTest, AStopAfterGoTakesNothingBack) {
  auto link = Taken();
  succession_->Stop(absl::AbortedError("this agent is stopping"));
  Message serving;
  serving.mutable_serving();
  EXPECT_TRUE(link->Send(serving, {}, Soon()).ok());
  Turn(&old_);
  EXPECT_EQ(calls_, "leave given released ");
  EXPECT_TRUE(link->Receive(Soon())->message.has_numbers());
  EXPECT_TRUE(link->Receive(Soon())->message.has_go());
  EXPECT_TRUE(link->TryReceive().ok()) << "open until this process holds nothing";
  succession_->LetGo();
  EXPECT_FALSE(link->TryReceive().ok());
}

}  // namespace
}  // namespace entropyd
