// The agent among its servers: which one it dials and when, how it leaves one that drains, and how
// it stays away when it is suspended.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/upstream/upstream.h"
#include "tests/hostagent/upstream/upstream_fixture.h"

namespace entropyd {
namespace {

using UpstreamTest = UpstreamFixture;

TEST_F(UpstreamTest, FailedAttemptsBackOffWithFullJitter) {
  uniform_ = 0.999999;
  Start();
  int64_t last = clock_.NowNanos();
  for (int seconds : {1, 2, 4, 8, 16, 30, 30}) {
    const size_t dials = net_.dialled.size();
    EndStream(absl::UnavailableError("refused"));
    EXPECT_NEAR(Status().next_attempt_seconds(), seconds, 0.01);
    while (net_.dialled.size() == dials) {
      clock_.AdvanceNanos(upstream_->next_deadline_nanos() - clock_.NowNanos());
      upstream_->Process();
    }
    EXPECT_NEAR(static_cast<double>(clock_.NowNanos() - last) / 1e9, seconds, 0.01);
    last = clock_.NowNanos();
  }
}

TEST_F(UpstreamTest, AFailureToDialIsRetriedAndTold) {
  net_.broken["a:7743"] = absl::NotFoundError("read /etc/entropyd/tls/tls.crt: no such file");
  Start();
  EXPECT_FALSE(upstream_->connected());
  EXPECT_NE(Status().last_error().find("tls.crt"), std::string::npos);
  net_.broken.clear();
  Run(absl::Seconds(1));
  Welcome();
  EXPECT_TRUE(upstream_->connected());
  EXPECT_EQ(Status().last_error(), "");
}

TEST_F(UpstreamTest, WhatWasOnItsWayWhenTheMachineWasResumedComesInNowhere) {
  Attach();
  Want(gold_.get(), 1, 1'000);
  const std::shared_ptr<FakeWire> old = net_.wires.back();
  const uint32_t channel = old->ChannelOf("default/gold");
  ASSERT_NE(old->LastLine(channel), nullptr);
  old->Grant(channel, 0, std::string(100, 'a'));
  upstream_->Process();
  ASSERT_EQ(gold_->level(), 100u);
  old->Grant(channel, 100, std::string(100, 'b'));  // not read yet
  gold_->Discard();
  gold_class_->filler->OnResume();
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 0u);
  EXPECT_TRUE(old->destroyed);
  EXPECT_EQ(net_.wires.size(), 2u) << "it dials at once";
  Welcome();
  EXPECT_TRUE(upstream_->connected());
  const uint32_t anew = net_.last().ChannelOf("default/gold");
  net_.last().Grant(anew, 0, std::string(50, 'c'));
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 50u);
}

TEST_F(UpstreamTest, AServerThatDoesNotAcceptUsTellsHowFarWeCame) {
  Start();
  net_.last().connected = false;
  Run(absl::Seconds(22));
  EXPECT_EQ(Status().last_error(), "UNAVAILABLE: TCP: attach to a:7743: no connection within 22 s");
  Run(absl::Seconds(2));
  Run(absl::Seconds(22));
  EXPECT_EQ(Status().last_error(),
            "UNAVAILABLE: Hello: attach to a:7743: connected, but no Welcome within 22 s");
  Run(absl::Seconds(4));
  EndStream(absl::UnavailableError("look up the name a: no"));
  EXPECT_EQ(Status().last_error(), "UNAVAILABLE: name: look up the name a: no");
  EXPECT_THAT(log_.lines(), testing::Contains(testing::HasSubstr("UNAVAILABLE: name: look up")));
}

TEST_F(UpstreamTest, TheStandbyIsDialledWhenThePrimaryIsUnreachable) {
  Start(3);
  EXPECT_EQ(net_.dialled.back(), order_[0]);
  EndStream(absl::UnavailableError("refused"));
  Run(absl::Seconds(1));
  EXPECT_EQ(net_.dialled.back(), order_[1]);
  Run(absl::Seconds(25));  // accepts, and says nothing
  EXPECT_EQ(net_.dialled.back(), order_[2]);
  Welcome();
  EXPECT_EQ(Status().server(), order_[2]);
  EndStream(absl::UnavailableError("gone"));  // it is the primary's turn again
  Run(absl::Seconds(8));
  EXPECT_EQ(net_.dialled.back(), order_[0]);
}

TEST_F(UpstreamTest, AServerThatRefusesUsIsLeftAloneForAMinuteWhileOthersServe) {
  Start(2);
  EndStream(absl::UnauthenticatedError("certificate revoked"));
  Run(absl::Seconds(1));
  EXPECT_EQ(net_.dialled.back(), order_[1]);
  for (int i = 0; i < 3; ++i) {
    EndStream(absl::UnavailableError("refused"));
    Run(absl::Seconds(5));
    EXPECT_EQ(net_.dialled.back(), order_[1]);
  }
}

TEST_F(UpstreamTest, BeingReplacedIsAnAlarmAndNotAFight) {
  Attach();
  EndStream(absl::AbortedError("replaced"));
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_superseded_total"), 1);
  const size_t dials = net_.dialled.size();
  Run(absl::Seconds(59));
  EXPECT_EQ(net_.dialled.size(), dials);
}

TEST_F(UpstreamTest, ASuspendedOneLeavesInGoodOrderAndStaysAwayUntilItIsResumed) {
  Attach();
  Want(gold_.get(), 1, 64);
  upstream_->Suspend();
  upstream_->Process();
  EXPECT_FALSE(upstream_->connected());
  EXPECT_EQ(net_.last().sent.back().close().channel(), 2u);
  net_.last().Grant(1, 0, "promised before");
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 15u);
  net_.last().State(1, v1::PHASE_CLOSED);
  net_.last().State(2, v1::PHASE_CLOSED);
  upstream_->Process();
  EXPECT_TRUE(net_.last().half_closed);
  EXPECT_EQ(net_.last().LastLine(1)->received(), 15u) << "they would count as lost";
  EndStream(absl::OkStatus());
  Run(absl::Seconds(100));
  EXPECT_EQ(net_.dialled.size(), 1u);
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_superseded_total"), 0);
  upstream_->Resume();
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(net_.dialled.size(), 2u);
  Welcome();
  EXPECT_TRUE(upstream_->connected());
}

TEST_F(UpstreamTest, ASuspendedOneThatTheServerIgnoresIsGoneAfterASecond) {
  Attach();
  upstream_->Suspend();
  Run(absl::Seconds(2));
  EXPECT_TRUE(net_.last().destroyed);
  EXPECT_EQ(net_.dialled.size(), 1u);
}

TEST_F(UpstreamTest, AnAttachmentThatWasNotYetWelcomedIsDroppedWhenSuspended) {
  Start();
  upstream_->Suspend();
  EXPECT_TRUE(net_.last().destroyed);
  Run(absl::Seconds(100));
  EXPECT_EQ(net_.dialled.size(), 1u);
}

TEST_F(UpstreamTest, UpstreamIsGoneASecondAfterTheStreamWasLost) {
  Attach();
  Want(gold_.get(), 1, 0);
  net_.last().Grant(1, 0, std::string(kMin, 'x'));
  upstream_->Process();
  EXPECT_EQ(LostAt(0), INT64_MAX);
  EndStream(absl::UnavailableError("gone"));
  const int64_t lost_at = clock_.NowNanos() + kSecondNanos;
  EXPECT_EQ(LostAt(0), lost_at);
  // Attempts that fail change nothing.
  for (int i = 0; i < 5; ++i) {
    Run(absl::Seconds(31));
    EndStream(absl::UnavailableError("refused"));
  }
  EXPECT_EQ(LostAt(0), lost_at);
  Run(absl::Seconds(31));
  Welcome();
  EXPECT_EQ(LostAt(1), INT64_MAX);
}

TEST_F(UpstreamTest, AServerThatNeverCameIsGoneToo) {
  const int64_t start = clock_.NowNanos();
  Start();
  EXPECT_EQ(LostAt(0), start + kSecondNanos);
}

TEST_F(UpstreamTest, ACertificateThatIsRenewedIsTriedAtOnceAlsoWithAServerThatRefusedTheOldOne) {
  uniform_ = 0.999999;
  Start();
  for (int i = 0; i < 6; ++i) {
    EndStream(absl::UnauthenticatedError("certificate revoked"));
    Run(absl::Seconds(61));
  }
  EndStream(absl::UnauthenticatedError("certificate revoked"));
  const size_t dials = net_.dialled.size();
  Run(absl::Seconds(1));
  ASSERT_EQ(net_.dialled.size(), dials);
  upstream_->CertificateRenewed();
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(net_.dialled.size(), dials + 1);
}

TEST_F(UpstreamTest, WhatIsWrongOnThisHostIsNoReasonToAvoidAServer) {
  net_.broken["a:7743"] = absl::FailedPreconditionError("tls.crt has expired");
  Start();
  net_.broken.clear();
  Run(absl::Seconds(1));
  EXPECT_EQ(net_.dialled.size(), 2u);
}

class UpstreamDrainTest : public UpstreamTest {
 protected:
  // Attached and drained; a second stream is being attached.
  void Drain(size_t servers) {
    uniform_ = 0;
    Attach(servers);
    Want(gold_.get(), 1, 0);
    Wait(absl::Seconds(2));
    net_.last().Drain(30'000);
    upstream_->Process();
    upstream_->Process();
    ASSERT_EQ(net_.wires.size(), 2u);
  }
  FakeWire& old_wire() { return *net_.wires[0]; }
  FakeWire& new_wire() { return *net_.wires[1]; }
};

TEST_F(UpstreamDrainTest, TheAgentAttachesElsewhereOrToTheOnlyServer) {
  Drain(2);
  EXPECT_EQ(old_wire().server, order_[0]);
  EXPECT_EQ(new_wire().server, order_[1]);
}

TEST_F(UpstreamDrainTest, AResumeDropsTheNewStreamToo) {
  Drain(2);
  gold_class_->filler->OnResume();
  upstream_->Process();
  EXPECT_TRUE(old_wire().destroyed);
  EXPECT_TRUE(new_wire().destroyed);
  ASSERT_EQ(net_.wires.size(), 3u);
  Welcome();
  EXPECT_TRUE(upstream_->connected());
}

TEST_F(UpstreamDrainTest, WithOneServerItAttachesToItAgain) {
  Drain(1);
  EXPECT_EQ(new_wire().server, order_[0]);
}

TEST_F(UpstreamDrainTest, TheOldStreamIsCreditedUntilTheNewOneIsWelcomed) {
  Drain(2);
  Want(gold_.get(), 1, 5000);
  EXPECT_EQ(old_wire().LastLine(1)->limit(), 5000u);
  EXPECT_TRUE(upstream_->connected());
  EXPECT_EQ(Status().server(), order_[0]);
}

TEST_F(UpstreamDrainTest, ChannelsMoveOneByOneAsTheirClosedArrives) {
  Drain(2);
  Welcome();
  EXPECT_EQ(Status().server(), order_[1]);
  ASSERT_GE(old_wire().sent.size(), 2u);
  EXPECT_EQ(old_wire().sent[old_wire().sent.size() - 2].close().channel(), 1u);
  EXPECT_EQ(old_wire().sent.back().close().channel(), 2u);
  const v1::Line* line = new_wire().LastLine(1);
  EXPECT_TRUE(line == nullptr || line->limit() == 0);  // the old stream's promise still stands

  old_wire().Grant(1, 0, std::string(100, 'x'));  // these were on their way
  old_wire().State(1, v1::PHASE_CLOSED);
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 100u);
  ASSERT_NE(new_wire().LastLine(1), nullptr);
  EXPECT_EQ(new_wire().LastLine(1)->limit(), kMin - 100);
  EXPECT_FALSE(old_wire().half_closed);

  old_wire().State(2, v1::PHASE_CLOSED);
  upstream_->Process();
  EXPECT_TRUE(old_wire().half_closed);
  old_wire().End(absl::OkStatus());
  upstream_->Process();
  EXPECT_TRUE(old_wire().destroyed);
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_reconnects_total"), 1);
  EXPECT_TRUE(upstream_->connected());
}

TEST_F(UpstreamDrainTest, AnOldServerThatDoesNotCloseIsCancelledAfterASecond) {
  Drain(2);
  Welcome();
  Run(absl::Milliseconds(990));
  EXPECT_FALSE(old_wire().destroyed);
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(old_wire().destroyed);
  ASSERT_NE(new_wire().LastLine(1), nullptr);
  EXPECT_EQ(new_wire().LastLine(1)->limit(), kMin);
}

TEST_F(UpstreamDrainTest, TheOldStreamsEndBeforeTheNewWelcomeIsNoError) {
  Drain(1);
  old_wire().End(absl::AbortedError("replaced by your own next stream"));
  upstream_->Process();
  EXPECT_FALSE(upstream_->connected());
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_superseded_total"), 0);
  Welcome();
  EXPECT_TRUE(upstream_->connected());
  EXPECT_EQ(new_wire().LastLine(1)->limit(), kMin);
}

TEST_F(UpstreamDrainTest, AFailedReplacementIsTriedAgainAndTheOldStreamServesOn) {
  Drain(2);
  EndStream(absl::UnavailableError("refused"));
  EXPECT_TRUE(upstream_->connected());
  Run(absl::Seconds(3));
  ASSERT_EQ(net_.wires.size(), 3u);
  Welcome();
  EXPECT_TRUE(upstream_->connected());
  EXPECT_EQ(old_wire().sent.back().close().channel(), 2u);
}

TEST_F(UpstreamDrainTest, AgentsSpreadTheirMoveOverTime) {
  uniform_ = 0.5;
  Attach(2);
  net_.last().Drain(30'000);
  upstream_->Process();
  Run(absl::Milliseconds(2'490));
  EXPECT_EQ(net_.wires.size(), 1u);
  Run(absl::Milliseconds(20));
  EXPECT_EQ(net_.wires.size(), 2u);
}

}  // namespace
}  // namespace entropyd
