// Heartbeats: how either side of a stream knows that the other one lives.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

class AttachProtocolHeartbeatTest : public AttachProtocolFixture {
 protected:
  // Seconds of sweeps. The peer takes each message at once.
  void Seconds(int seconds, FakePeer* peer) {
    for (int i = 0; i < seconds; ++i) {
      Advance(kSecond);
      WriteAll(peer);
    }
  }
  // An attached peer that promises heartbeats of its own.
  FakePeer* Promising(uint32_t heartbeat_ms = 5000) {
    FakePeer* const peer = Attach();
    v1::AgentMessage hello = HelloOf(1, 1, 'a');
    hello.mutable_hello()->set_heartbeat_ms(heartbeat_ms);
    Say(peer, hello);
    WriteAll(peer);
    Open(peer, 1, "default/gold");
    WriteAll(peer);
    return peer;
  }
  void SayNothing(FakePeer* peer) {
    v1::AgentMessage message;
    message.mutable_credit();
    Say(peer, message);
  }
};

TEST_F(AttachProtocolHeartbeatTest, AnIdleStreamGetsOneAtLeastAsOftenAsItsWelcomePromised) {
  FakePeer* const peer = Ready();
  EXPECT_EQ(Message(peer, 0).head.welcome().heartbeat_ms(), 3000u);
  size_t seen = peer->wire.messages.size();
  int since = 0;
  for (int i = 0; i < 60; ++i) {
    Seconds(1, peer);
    since = peer->wire.messages.size() > seen ? 0 : since + 1;
    EXPECT_LT(since, 3);
    for (; seen < peer->wire.messages.size(); ++seen) {
      v1::ServerMessage expected;
      expected.set_seq(seen + 1);
      EXPECT_EQ(Message(peer, seen).head.SerializeAsString(), expected.SerializeAsString());
      EXPECT_TRUE(Message(peer, seen).grants.empty());
    }
  }
  EXPECT_EQ(seen, 2u + 30u) << "and not more often";
  ExpectBalance();
}

TEST_F(AttachProtocolHeartbeatTest, ABusyStreamGetsNone) {
  FakePeer* const peer = Ready();
  const size_t before = peer->wire.messages.size();
  for (uint64_t i = 1; i <= 60; ++i) {
    Credit(peer, 1, 100 * i, 100 * (i - 1));
    Seconds(1, peer);
  }
  EXPECT_EQ(peer->wire.messages.size(), before + 60);
  EXPECT_EQ(Granted(peer, 1), 6000u);
}

TEST_F(AttachProtocolHeartbeatTest, OneThatSaysNothingOrTakesNothingGetsNone) {
  FakePeer* const mute = Attach();
  FakePeer* const deaf = Greet("spiffe://test/deaf", 'd');  // its Welcome is not taken
  for (int i = 0; i < 9; ++i) Advance(kSecond);
  EXPECT_TRUE(mute->wire.messages.empty());
  EXPECT_EQ(deaf->wire.messages.size(), 1u);
}

TEST_F(AttachProtocolHeartbeatTest, ThousandsAtOnceGetTheirsInPortionsAndInTime) {
  constexpr int kPeers = 1'200;
  std::vector<FakePeer*> peers;
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(Greet(absl::StrCat("spiffe://test/", i)));
    WriteAll(peers.back());
  }
  const auto served = [&peers] {
    return std::count_if(peers.begin(), peers.end(),
                         [](const FakePeer* p) { return p->wire.messages.size() == 2; });
  };
  Advance(kSecond);
  EXPECT_EQ(served(), 0);
  Advance(kSecond);
  EXPECT_EQ(served(), 500);
  EXPECT_EQ(wake_nanos_, clock_.NowNanos() + 20 * kMilli);
  Advance(20 * kMilli);
  EXPECT_EQ(served(), 1'000);
  Advance(20 * kMilli);
  EXPECT_EQ(served(), kPeers);
  EXPECT_EQ(wake_nanos_, clock_.NowNanos() + kSecond);
}

TEST_F(AttachProtocolHeartbeatTest, ASilentAgentIsEndedAndGivesBackWhatItHeld) {
  FakePeer* const peer = Promising();
  Credit(peer, 1, 5000, 0);
  WriteAll(peer);
  Credit(peer, 1, 9000, 0);  // on its way, and not taken
  Credit(peer, 1, 12'000, 0);
  EXPECT_EQ(totals().planned_bytes, 3000u);
  for (int i = 0; i < 14; ++i) Advance(kSecond);
  EXPECT_EQ(registry().registered(), 1u);
  Advance(kSecond);
  EXPECT_EQ(registry().registered(), 0u);
  EXPECT_EQ(totals().silent_agents, 1u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_EQ(totals().lost_bytes, 9000u);
  EXPECT_TRUE(dispatcher_->classes().FindLeaf("default/gold")->members.empty());
  for (int i = 0; i < 5; ++i) Advance(kSecond);
  EXPECT_TRUE(peer->wire.cancelled) << "it does not take the last message either";
  Written(peer, false);
  EXPECT_TRUE(absl::IsUnavailable(peer->wire.status)) << peer->wire.status;
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().violations, 0u);
  EXPECT_EQ(Logged("agent.detached"), 1);
  ExpectBalance();
}

TEST_F(AttachProtocolHeartbeatTest,
       AnAgentThatSendsCreditsWithoutLinesStaysAndIsOwedNothingForThem) {
  FakePeer* const peer = Promising();
  Credit(peer, 1, 5000, 0);
  WriteAll(peer);
  for (int i = 0; i < 20; ++i) {
    Seconds(14, peer);
    SayNothing(peer);
  }
  EXPECT_FALSE(peer->wire.finished);
  EXPECT_EQ(Granted(peer, 1), 5000u);
  EXPECT_EQ(peer->session->deliveries().unconfirmed(), 5000u);
  EXPECT_EQ(totals().violations, 0u);
}

TEST_F(AttachProtocolHeartbeatTest, AnAgentThatPromisesLessHasMoreTime) {
  FakePeer* const peer = Promising(20'000);
  Seconds(59, peer);
  EXPECT_FALSE(peer->wire.finished);
  Seconds(1, peer);
  EXPECT_TRUE(absl::IsUnavailable(peer->wire.status)) << peer->wire.status;
}

// The messages of an agent of 0.1.0: its Hello promises nothing.
TEST_F(AttachProtocolHeartbeatTest, AnAgentOfAnOlderVersionMayBeSilentForEver) {
  FakePeer* const peer = Ready();
  Credit(peer, 1, 5000, 0);
  Seconds(30 * 60, peer);
  EXPECT_FALSE(peer->wire.finished);
  EXPECT_EQ(totals().silent_agents, 0u);
}

// What agents sent meanwhile lies in their sockets.
TEST_F(AttachProtocolHeartbeatTest, AServerThatDidNotRunListensBeforeItJudges) {
  FakePeer* const peer = Promising();
  Advance(kMinuteNanos);
  EXPECT_FALSE(peer->wire.finished);
  Seconds(14, peer);
  EXPECT_FALSE(peer->wire.finished);
  Seconds(1, peer);
  EXPECT_TRUE(peer->wire.finished);
}

}  // namespace
}  // namespace entropyd
