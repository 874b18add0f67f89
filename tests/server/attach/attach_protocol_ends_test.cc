// How streams end: by their peers, by operators, and by time.
#include <set>

#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

using AttachProtocolTest = AttachProtocolFixture;

// --- streams end ---------------------------------------------------------------------------------

TEST_F(AttachProtocolTest, TheLastMessageCountsBeforeTheEndThatComesWithIt) {
  FakePeer* const peer = Sending();
  WriteAll(peer);
  v1::AgentMessage message;
  AddLine(&message, 1, 1000, 1000);
  SayAnd(peer, message, Session::kReadEnd);
  EXPECT_TRUE(peer->wire.finished);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
  EXPECT_EQ(totals().received_bytes, 1000u);
  EXPECT_EQ(totals().lost_bytes, 0u);
}

TEST_F(AttachProtocolTest, TheFirstEndCounts) {
  FakePeer* const peer = Sending();
  Post(peer->session, Session::kReadEnd);
  Post(peer->session, Session::kCancelled);
  EXPECT_FALSE(peer->wire.finished) << "its write is under way";
  Written(peer);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
  EXPECT_EQ(peer->wire.finishes, 1);
  EXPECT_EQ(totals().lost_bytes, 1000u);
  EXPECT_EQ(Logged("agent.detached identity=spiffe://test/agent session=1 status=OK "
                   "sent_bytes=1000 lost_bytes=1000"),
            1);
  EXPECT_EQ(registry().registered(), 0u);
  EXPECT_EQ(registry().sessions().size(), 1u) << "until its transport is dead";
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_TRUE(peer->wire.deleted);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, AWriteThatFailsEndsTheStream) {
  FakePeer* const peer = Sending();
  Written(peer, false);
  EXPECT_TRUE(absl::IsCancelled(peer->wire.status)) << peer->wire.status;
  EXPECT_EQ(peer->wire.finishes, 1);
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().lost_bytes, 1000u);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, ATransportThatDiesWithoutAWordLeavesNothingBehind) {
  FakePeer* const peer = Sending(4000);
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(peer->wire.deleted);
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_EQ(registry().registered(), 0u);
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_TRUE(dispatcher_->classes().FindLeaf("default/gold")->members.empty());
  ExpectBalance();
}

// It is deleted in the same step in which it had something to say.
TEST_F(AttachProtocolTest, ATransportThatDiesWithNewsIsNotWrittenTo) {
  FakePeer* const peer = Attach();
  SayAnd(peer, HelloOf(0, 1, 'h'), Session::kDead);
  EXPECT_TRUE(peer->wire.deleted);
  EXPECT_TRUE(peer->wire.messages.empty());
  EXPECT_EQ(totals().messages, 0u);
  EXPECT_FALSE(Greet()->wire.messages.empty());
}

TEST_F(AttachProtocolTest, AStreamWithoutHelloIsNeitherLoggedNorRegistered) {
  FakePeer* const peer = Attach();
  Advance(10 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(peer->wire.status));
  EXPECT_EQ(Logged("agent.detached"), 0);
  EXPECT_EQ(totals().violations, 0u);
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(registry().sessions().empty());
}

// --- drain and deadlines -------------------------------------------------------------------------

TEST_F(AttachProtocolTest, ADrainOfAllRefusesThoseWhoComeLater) {
  FakePeer* const peer = Ready();
  EXPECT_FALSE(attach().draining());
  EXPECT_EQ(Drain("spiffe://test/nobody", kSecond), 0u);
  EXPECT_EQ(Drain("spiffe://test/agent", 60 * kSecond), 1u);
  EXPECT_FALSE(attach().draining());
  EXPECT_FALSE(Greet("spiffe://test/agent", 'b')->wire.finished) << "that one may come again";
  EXPECT_EQ(Drain("", 60 * kSecond), 2u);
  EXPECT_TRUE(attach().draining());
  FakePeer* const late = Attach();
  EXPECT_EQ(late->wire.status,
            absl::UnavailableError("attach: the server drains; attach elsewhere"));
  EXPECT_EQ(late->wire.reads, 0);
  EXPECT_EQ(totals().denied_capacity, 0u);
  EXPECT_FALSE(peer->wire.finished) << "its time has not come";
}

TEST_F(AttachProtocolTest, ADrainThatIsEndedLetsNewStreamsInAndMovesTheOldOnes) {
  FakePeer* const told = Ready();
  Drain("", 2 * kSecond);
  attach().EndDrain();
  EXPECT_FALSE(attach().draining());
  FakePeer* const late = Ready("default/gold", "spiffe://test/late");
  WriteAll(told);
  Advance(2 * kSecond);
  EXPECT_EQ(told->wire.status, absl::UnavailableError("drained: test"));
  EXPECT_FALSE(late->wire.finished);
}

TEST_F(AttachProtocolTest, ADrainCountsThoseWhoHaveNotEnded) {
  FakePeer* const ended = Ready("default/gold", "spiffe://test/agent", 'x');
  Ready("default/gold", "spiffe://test/agent", 'y');
  FakePeer* const silent = Attach();
  Post(ended->session, Session::kReadEnd);
  EXPECT_EQ(Drain("", 2 * kSecond), 2u);
  EXPECT_TRUE(silent->wire.messages.empty()) << "it has nothing to move";
  Advance(2 * kSecond);
  EXPECT_EQ(silent->wire.status, absl::UnavailableError("drained: test"));
  EXPECT_TRUE(ended->wire.status.ok());
}

TEST_F(AttachProtocolTest, ADrainEndsAtItsDeadlineAndNotAtTheNextSweep) {
  FakePeer* const peer = Ready();
  Drain("", 300 * kMilli);
  EXPECT_LE(wake_nanos_, clock_.NowNanos() + 300 * kMilli);
  WriteAll(peer);
  Advance(300 * kMilli - 1);
  EXPECT_FALSE(peer->wire.finished);
  Advance(1);
  EXPECT_EQ(peer->wire.status, absl::UnavailableError("drained: test"));
}

TEST_F(AttachProtocolTest, ASweepTellsTheEarliestDeadlineOfThoseThatDrain) {
  FakePeer* const one = Ready("default/gold", "spiffe://test/one");
  FakePeer* const two = Ready("default/gold", "spiffe://test/two");
  const int64_t now = clock_.NowNanos();
  EXPECT_EQ(attach().Sweep(now), kNever);
  attach().Drain("spiffe://test/one", "test", now, now + 5 * kSecond);
  attach().Drain("spiffe://test/two", "test", now, now + 3 * kSecond);
  EXPECT_EQ(attach().Sweep(now), now + 3 * kSecond);
  attach().OnSession(two->session, Session::kReadEnd, now);
  EXPECT_EQ(attach().Sweep(now), now + 5 * kSecond) << "an ended one has no deadline";
  attach().OnSession(one->session, Session::kReadEnd, now);
  EXPECT_EQ(attach().Sweep(now), kNever);
}

TEST_F(AttachProtocolTest, SessionsOfOneMomentMoveAtDifferentTimes) {
  std::set<int64_t> ages;
  for (char host = 'a'; host < 'a' + 20; ++host) {
    const Session* const session = Greet("spiffe://test/agent", host)->session;
    int64_t age = 40 * kMinuteNanos;
    EXPECT_FALSE(session->stay().MoveDue(clock_.NowNanos() + age - 1));
    while (age < 50 * kMinuteNanos && !session->stay().MoveDue(clock_.NowNanos() + age)) {
      age += kSecond;
    }
    EXPECT_TRUE(session->stay().MoveDue(clock_.NowNanos() + age))
        << "after 50 minutes at the latest";
    ages.insert(age);
  }
  EXPECT_GT(ages.size(), 15u);
}

TEST_F(AttachProtocolTest, ASessionMovesBeforeItsCertificateExpires) {
  lifetime_nanos_ = 30 * kMinuteNanos;
  FakePeer* const peer = Greet("spiffe://test/agent", 'e');
  const Session* const session = peer->session;
  const int64_t latest = lifetime_nanos_ - AttachProtocol::kBeforeExpiryNanos;
  const int64_t earliest = latest - AttachProtocol::kRotateSpreadNanos;
  EXPECT_FALSE(session->stay().MoveDue(clock_.NowNanos() + earliest));
  EXPECT_TRUE(session->stay().MoveDue(clock_.NowNanos() + latest));
}

TEST_F(AttachProtocolTest, SessionsWhoseCertificatesExpireTogetherMoveAtDifferentTimes) {
  for (const int64_t lifetime : {30 * kMinuteNanos, 2 * AttachProtocol::kBeforeExpiryNanos}) {
    lifetime_nanos_ = lifetime;
    std::set<int64_t> ages;
    for (char host = 'a'; host < 'a' + 20; ++host) {
      const Session* const session = Greet("spiffe://test/agent", host)->session;
      int64_t age = 0;
      while (age < lifetime && !session->stay().MoveDue(clock_.NowNanos() + age)) age += kSecond;
      EXPECT_GE(age, AttachProtocol::kBeforeExpiryNanos / 2);
      ages.insert(age);
    }
    EXPECT_GT(ages.size(), 10u) << lifetime;
  }
}

TEST_F(AttachProtocolTest, ASessionThatCameWithACertificateThatExpiresSoonStays) {
  lifetime_nanos_ = 2 * AttachProtocol::kBeforeExpiryNanos - 1;
  const Session* const session = Greet("spiffe://test/agent", 'e')->session;
  EXPECT_FALSE(session->stay().MoveDue(clock_.NowNanos() + 40 * kMinuteNanos - 1));
}

TEST_F(AttachProtocolTest, ASessionThatMovesHasHalfAMinute) {
  FakePeer* const peer = Ready();
  const size_t messages = peer->wire.messages.size();
  Advance(50 * kMinuteNanos);
  ASSERT_EQ(peer->wire.messages.size(), messages + 1);
  EXPECT_EQ(Last(peer).head.drain().reason(), "rebalance");
  EXPECT_EQ(Last(peer).head.drain().deadline_ms(), 30'000u);
  WriteAll(peer);
  Advance(30 * kSecond - 1);
  WriteAll(peer);  // a heartbeat
  EXPECT_FALSE(peer->wire.finished);
  Advance(1);
  EXPECT_EQ(peer->wire.status, absl::UnavailableError("drained: rebalance"));
}

TEST_F(AttachProtocolTest, AStuckWriteIsCountedOnceAndCancelledAtEverySweep) {
  FakePeer* const peer = Greet();
  Advance(60 * kSecond);
  EXPECT_TRUE(peer->wire.cancelled);
  EXPECT_EQ(totals().stuck_writes, 1u);
  peer->wire.cancelled = false;
  Advance(60 * kSecond);
  EXPECT_TRUE(peer->wire.cancelled) << "the transport may need to hear it again";
  EXPECT_EQ(totals().stuck_writes, 1u);
  Written(peer, false);
  EXPECT_TRUE(absl::IsDeadlineExceeded(peer->wire.status)) << peer->wire.status;
}

TEST_F(AttachProtocolTest, AnEndedStreamWhoseLastWriteHangsIsCancelledAfterFiveSeconds) {
  FakePeer* const peer = Greet();
  Post(peer->session, Session::kReadEnd);
  Advance(5 * kSecond - 1);
  EXPECT_FALSE(peer->wire.cancelled);
  Advance(kSecond);
  EXPECT_TRUE(peer->wire.cancelled);
  EXPECT_EQ(totals().stuck_writes, 0u) << "it has ended for another reason";
  Written(peer, false);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
}

}  // namespace
}  // namespace entropyd
