// The parts are real, but nobody leads them: the test moves the phase and plays the server.
#include "hostagent/agent_answers.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_server.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class AgentAnswersTest : public ServedHostTest {
 protected:
  void SetUp() override {
    ServedHostTest::SetUp();
    settings_.named_classes = 1;
    settings_.guest_metrics = 10;
    Upstream::Options options;
    options.servers = {"a:7743"};
    options.host_id = std::string(16, 'h');
    options.dial = [this](const std::string& server, std::function<void()> wake) {
      return net_.Dial(server, std::move(wake));
    };
    options.uniform = [] { return 0.5; };
    auto upstream = Upstream::Create(options, host_->filled(), &clock_, &log_, registry_.get());
    ASSERT_TRUE(upstream.ok()) << upstream.status();
    attachment_ = std::make_unique<UpstreamOnLoop>(*std::move(upstream), config::v1::ClientTls(),
                                                   &clock_, loop_.get(), &log_, registry_.get());
    ASSERT_TRUE(attachment_->Watch().ok());
    loop_->SetAfterTurn([this] {
      host_->Serve();
      attachment_->AfterTurn();
    });
    replacement_ = std::make_unique<Replacement>(
        config::v1::HostAgent(), &phase_, &metrics_->reload_failed, &clock_, loop_.get(), &log_);
    answers_ = std::make_unique<AgentAnswers>(
        AgentAnswers::Parts{&phase_, &clock_, loop_.get(), arena_.get(), metrics_.get(),
                            host_.get(), attachment_.get(), replacement_.get()},
        settings_, std::string(16, 'h'));
    ports_ = std::make_unique<OperatorPorts>(OperatorPorts::Options{}, loop_.get(), answers_.get(),
                                             registry_.get(), &log_);
    answers_->SetPorts(ports_.get());
    Turn();
  }
  void TearDown() override {
    ports_.reset();
    answers_.reset();
    attachment_.reset();
    ServedHostTest::TearDown();
  }
  void Attach() {
    attachment_->get()->Resume();
    for (int i = 0; i < 4; ++i) Turn();
    ASSERT_EQ(net_.wires.size(), 1u);
    net_.last().Welcome(1 << 20, {net_.last().ChannelOf("default/gold")});
    for (int i = 0; i < 4; ++i) Turn();
  }
  void Enter(PhaseEvent event) { ASSERT_TRUE(phase_.Enter(event).ok()); }
  v1::GetStatusResponse Status() const {
    v1::GetStatusResponse status;
    answers_->FillStatus(&status);
    return status;
  }

  FakeNet net_;
  CurrentPhase phase_{&log_};
  std::unique_ptr<UpstreamOnLoop> attachment_;
  std::unique_ptr<Replacement> replacement_;
  std::unique_ptr<AgentAnswers> answers_;
  std::unique_ptr<OperatorPorts> ports_;
};

TEST_F(AgentAnswersTest, ALoopThatTurnsIsHealthy) {
  EXPECT_TRUE(answers_->Healthy().ok());
  clock_.AdvanceNanos(10 * kSecondNanos - 1);
  EXPECT_TRUE(answers_->Healthy().ok());
  clock_.AdvanceNanos(1);
  EXPECT_TRUE(absl::IsUnavailable(answers_->Healthy()));
  EXPECT_THAT(std::string(answers_->Healthy().message()), HasSubstr("has not turned for 10 s"));
  EXPECT_EQ(answers_->Ready(), answers_->Healthy());
}

TEST_F(AgentAnswersTest, ItIsReadyOnceAServerWasThereUntilTheGuestsAreGiven) {
  EXPECT_THAT(std::string(answers_->Ready().message()), HasSubstr("not yet attached"));
  Attach();
  EXPECT_TRUE(answers_->Ready().ok()) << answers_->Ready();
  Enter(PhaseEvent::kServe);
  Enter(PhaseEvent::kOffer);
  EXPECT_TRUE(answers_->Ready().ok()) << "the guests are still here";
  Enter(PhaseEvent::kGo);
  EXPECT_THAT(std::string(answers_->Ready().message()), HasSubstr("has taken the guests over"));
  EXPECT_TRUE(answers_->Healthy().ok());
}

TEST_F(AgentAnswersTest, TheStatusIsThatOfAllParts) {
  Attach();
  clock_.AdvanceNanos(90 * kSecondNanos);
  const v1::GetStatusResponse status = Status();
  EXPECT_EQ(status.version(), ENTROPYD_VERSION);
  EXPECT_EQ(status.host_id(), absl::BytesToHexString(std::string(16, 'h')));
  EXPECT_EQ(status.uptime_seconds(), 90);
  EXPECT_EQ(status.memory_locked(), arena_->locked());
  EXPECT_EQ(status.server(), "a:7743");
  EXPECT_EQ(status.class__size(), 1);
  EXPECT_EQ(status.http_problem(), "");
  EXPECT_EQ(status.reload_problem(), "");
  EXPECT_EQ(status.handover_problem(), "");
}

TEST_F(AgentAnswersTest, AReloadThatHasFailedIsInTheStatus) {
  replacement_->Failed(HandoverPurpose::kReload, absl::InternalError("no such luck"));
  EXPECT_EQ(Status().reload_problem(), "no such luck");
}

TEST_F(AgentAnswersTest, TheSummarySaysWhomItServesAndFromWhere) {
  EXPECT_THAT(answers_->Summary(), HasSubstr("NOT attached to "));
  Attach();
  const Client guest = Connect(kEgd);
  EXPECT_EQ(answers_->Summary(), "attached to a:7743; 1 connection");
  const Client other = Connect(kEgd);
  EXPECT_EQ(answers_->Summary(), "attached to a:7743; 2 connections");
}

TEST_F(AgentAnswersTest, SocketsOfGuestsChangeOnlyWhileTheGuestsAreHere) {
  config::v1::GuestSocket asked;
  asked.set_name("vm-1");
  asked.set_path(dir_ / "vm-1.sock");
  asked.set_mode("0600");
  EXPECT_TRUE(absl::IsAborted(answers_->AddGuestSocket(asked).status()));
  EXPECT_TRUE(absl::IsAborted(answers_->RemoveGuestSocket("vm-1").status()));
  Enter(PhaseEvent::kServe);
  const auto added = answers_->AddGuestSocket(asked);
  EXPECT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(answers_->GuestSockets().guests_size(), 1);
  EXPECT_TRUE(answers_->RemoveGuestSocket("vm-1").ok());
  EXPECT_EQ(answers_->GuestSockets().guests_size(), 0);
}

TEST_F(AgentAnswersTest, AnotherThreadGetsThePageOfTheGuests) {
  const Client guest = Connect(kEgd);
  absl::StatusOr<std::string> page;
  std::thread asker([&] {
    page = answers_->GuestMetrics();
    loop_->Post([this] { loop_->Stop(); });
  });
  loop_->Run();
  asker.join();
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(*page, HasSubstr("entropyd_agent_guest_"));
}

}  // namespace
}  // namespace entropyd
