// What becomes of streams when the rules of who may come in change.
#include <vector>

#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

using AttachProtocolTest = AttachProtocolFixture;

TEST_F(AttachProtocolTest, NewRulesEndTheStreamsOfWhoeverIsShutOutAndNobodyElses) {
  FakePeer* const good = Ready("default/gold", "spiffe://test/good", 'g');
  FakePeer* const bad = Ready("default/gold", "spiffe://test/bad", 'b');
  FakePeer* const silent = Attach("spiffe://test/bad");
  SetRules("spiffe://test/bad");
  EXPECT_EQ(bad->wire.status, absl::UnauthenticatedError("revoked"));
  EXPECT_EQ(silent->wire.status, absl::UnauthenticatedError("revoked")) << "before its hello, too";
  EXPECT_FALSE(good->wire.finished);
  EXPECT_EQ(totals().shut_out, 2u);
  Credit(good, 1, 1000, 0);
  EXPECT_EQ(Granted(good, 1), 1000u);
  SetRules("spiffe://test/bad");
  EXPECT_EQ(totals().shut_out, 2u) << "each ends once";
  EXPECT_EQ(bad->wire.finishes, 1);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, ThousandsOfStreamsAreAskedAboutInSeveralTurns) {
  std::vector<FakePeer*> bad;
  for (size_t i = 0; i < 2 * AttachProtocol::kRechecksPerTurn + 1; ++i) {
    bad.push_back(Attach("spiffe://test/bad"));
  }
  shut_out_ = CertificateOf("spiffe://test/bad");
  attach().BeginRecheck();
  EXPECT_TRUE(attach().RecheckSome(clock_.NowNanos()));
  EXPECT_EQ(totals().shut_out, AttachProtocol::kRechecksPerTurn);
  // The last of the registry takes the place of the first, and one comes.
  Die(bad[0]);
  FakePeer* const late = Attach("spiffe://test/bad");
  EXPECT_TRUE(late->wire.finished) << "the new rules hold for it already";
  EXPECT_TRUE(attach().RecheckSome(clock_.NowNanos()));
  EXPECT_FALSE(attach().RecheckSome(clock_.NowNanos()));
  for (size_t i = 1; i < bad.size(); ++i) EXPECT_TRUE(bad[i]->wire.finished) << i;
}

TEST_F(AttachProtocolTest, AStreamThatTheGateLetInByTheOldRulesIsRefusedByTheNewOnes) {
  SetRules("spiffe://test/bad");
  FakePeer* const late = Attach("spiffe://test/bad");
  EXPECT_EQ(late->wire.status, absl::UnauthenticatedError("revoked"));
  EXPECT_EQ(late->wire.reads, 0);
}

TEST_F(AttachProtocolTest, WhoIsShutOutAndDoesNotReadIsCancelledAfterHalfASecond) {
  FakePeer* const bad = Sending(500);
  SetRules("spiffe://test/agent");
  EXPECT_FALSE(bad->wire.finished) << "a message is on its way";
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_EQ(wake_nanos_, clock_.NowNanos() + 500 * kMillisecondNanos);
  Advance(500 * kMillisecondNanos - 1);
  EXPECT_FALSE(bad->wire.cancelled);
  Advance(1);
  EXPECT_TRUE(bad->wire.cancelled);
}

TEST_F(AttachProtocolTest, WhoIsShutOutAndReadsHearsWhy) {
  FakePeer* const bad = Sending();
  SetRules("spiffe://test/agent");
  Written(bad);
  EXPECT_EQ(bad->wire.status, absl::UnauthenticatedError("revoked"));
}

TEST_F(AttachProtocolTest, AClassThatNewRulesTakeAwayIsClosedAndTheOthersGoOn) {
  FakePeer* const peer = Ready("default/slow");
  Open(peer, 2, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, kPayload, 0);  // more than the class has now
  WriteAll(peer);
  const uint64_t granted = Granted(peer, 1);
  SetRules("", "default/slow");
  ASSERT_EQ(Last(peer).head.state_size(), 1);
  EXPECT_EQ(Last(peer).head.state(0).channel(), 1u);
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(Last(peer).head.state(0).code(),
            static_cast<uint32_t>(absl::StatusCode::kPermissionDenied));
  WriteAll(peer);
  Advance(10 * kSecond);
  WriteAll(peer);  // a heartbeat
  EXPECT_EQ(Granted(peer, 1), granted);
  Credit(peer, 2, 1000, 0);
  EXPECT_EQ(Granted(peer, 2), 1000u);
  EXPECT_FALSE(peer->wire.finished);
  EXPECT_EQ(totals().shut_out, 0u);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, NewRulesSayHowMuchAStreamThatRunsMayWeigh) {
  FakePeer* const peer = Ready();
  Credit(peer, 1, 1000, 0, 200);
  const auto weight = [peer] { return peer->session->channels().at(0)->waiting_guests(); };
  EXPECT_EQ(weight(), 200u);
  max_weight_ = 7;
  SetRules("");
  EXPECT_EQ(weight(), 7u);
}

}  // namespace
}  // namespace entropyd
