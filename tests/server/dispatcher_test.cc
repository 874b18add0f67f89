#include "server/dispatcher.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

TEST_F(DispatcherTest, HelloOpenCreditAreAnsweredByWelcomeStateGrant) {
  FakePeer* peer = Greet();
  ASSERT_EQ(peer->wire.messages.size(), 1u);
  EXPECT_TRUE(Message(peer, 0).head.has_welcome());
  Written(peer);
  Open(peer, 1, "default/gold");
  ASSERT_EQ(peer->wire.messages.size(), 2u);
  const v1::ChannelState& state = Message(peer, 1).head.state(0);
  EXPECT_EQ(state.phase(), v1::PHASE_OPEN);
  EXPECT_EQ(state.quality(), v1::QUALITY_DRBG);
  EXPECT_EQ(state.rate(), 10u << 20);
  EXPECT_EQ(state.ceil(), 0u);
  Written(peer);
  Credit(peer, 1, 64, 0);
  ASSERT_EQ(peer->wire.messages.size(), 3u);
  const GrantView& grant = Message(peer, 2).grants.at(0);
  EXPECT_EQ(grant.offset, 0u);
  EXPECT_EQ(grant.bytes, 64u);
  EXPECT_EQ(grant.seed_generation, 7u);
  EXPECT_EQ(Message(peer, 2).head.seq(), 3u);
  ExpectBalance();
}

TEST_F(DispatcherTest, BytesArriveInOrderWithoutGapOrRepeat) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 200'000, 0);
  WriteAll(peer);
  uint64_t offset = 0;
  for (const auto& message : peer->wire.messages) {
    for (const GrantView& grant : message->view.grants) {
      EXPECT_EQ(grant.offset, offset);
      for (const auto& piece : grant.pieces) {
        for (const uint8_t byte : piece) ASSERT_EQ(byte, static_cast<uint8_t>(offset++));
      }
    }
  }
  EXPECT_EQ(offset, 200'000u);
}

TEST_F(DispatcherTest, AMessageHoldsOneGrantPerChannelAndAtMostThePayload) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 256 * 1024, 0);
  ASSERT_EQ(Last(peer).grants.size(), 1u);
  EXPECT_EQ(Last(peer).grants[0].bytes, kPayload);
  EXPECT_EQ(drbg_.reads, 1) << "one generate per message and pool";
}

TEST_F(DispatcherTest, SeveralChannelsAndPoolsShareAMessage) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Open(peer, 2, "scarce/key");
  WriteAll(peer);
  Open(peer, 3, "default/slow");
  const size_t before = peer->wire.messages.size();  // its write keeps all others waiting
  v1::AgentMessage credit;
  for (uint32_t channel : {1, 2, 3}) {
    v1::Line* line = credit.mutable_credit()->add_line();
    line->set_channel(channel);
    line->set_limit(1000);
  }
  Say(peer, credit);
  EXPECT_EQ(peer->wire.messages.size(), before);
  Written(peer);
  ASSERT_EQ(peer->wire.messages.size(), before + 1);
  ASSERT_EQ(Last(peer).grants.size(), 3u);
  for (const GrantView& grant : Last(peer).grants) EXPECT_EQ(grant.bytes, 1000u);
  EXPECT_EQ(drbg_.reads, 1);
  EXPECT_EQ(full_.reads, 1);
}

TEST_F(DispatcherTest, TheNextMessageLeavesWhenAWriteEndsWithoutATimer) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 100'000, 0);
  const size_t messages = peer->wire.messages.size();
  Written(peer);
  EXPECT_EQ(peer->wire.messages.size(), messages + 1);
}

TEST_F(DispatcherTest, TheNextReadStartsWhenTheMessageIsAbsorbed) {
  FakePeer* peer = Attach();
  EXPECT_EQ(peer->wire.reads, 1);
  Hello(peer);
  EXPECT_EQ(peer->wire.reads, 2);
}

TEST_F(DispatcherTest, AViolationEndsTheStreamAndCountsTheUnconfirmedLost) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 1000, 0);
  WriteAll(peer);
  Credit(peer, 1, 1000, 400);
  Credit(peer, 1, 999, 400);
  EXPECT_TRUE(peer->wire.finished);
  EXPECT_TRUE(absl::IsInvalidArgument(peer->wire.status)) << peer->wire.status;
  EXPECT_EQ(totals().violations, 1u);
  EXPECT_EQ(totals().received_bytes, 400u);
  EXPECT_EQ(totals().lost_bytes, 600u);
  ExpectBalance();
}

TEST_F(DispatcherTest, FinishWaitsForTheOutstandingWrite) {
  FakePeer* peer = Greet();
  v1::AgentMessage empty;
  Say(peer, empty);
  EXPECT_FALSE(peer->wire.finished);
  Written(peer);
  EXPECT_TRUE(peer->wire.finished);
}

TEST_F(DispatcherTest, CreditBeyondMaxCreditIsOutOfRange) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 256 * 1024 + 1, 0);
  EXPECT_TRUE(absl::IsOutOfRange(peer->wire.status));
}

TEST_F(DispatcherTest, NoHelloWithinTenSecondsIsDeadlineExceeded) {
  FakePeer* silent = Attach();
  Advance(9 * kSecond);
  EXPECT_FALSE(silent->wire.finished);
  Advance(2 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(silent->wire.status));
}

TEST_F(DispatcherTest, AForbiddenClassClosesItsChannelOnly) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/secret");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(Last(peer).head.state(0).code(),
            static_cast<uint32_t>(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(totals().denied_class, 1u);
  WriteAll(peer);
  Open(peer, 2, "default/nonsuch");
  EXPECT_EQ(Last(peer).head.state(0).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  WriteAll(peer);
  Open(peer, 3, "default/gold", v1::QUALITY_FULL);
  EXPECT_EQ(Last(peer).head.state(0).code(),
            static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  WriteAll(peer);
  Open(peer, 4, "default/gold");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_OPEN);
  EXPECT_FALSE(peer->wire.finished);
}

TEST_F(DispatcherTest, CloseIsAnsweredAsTheChannelsLastWord) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  Credit(peer, 1, 200'000, 0);
  CloseChannel(peer, 1);
  WriteAll(peer);
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_TRUE(Last(peer).grants.empty());
  EXPECT_EQ(Granted(peer, 1), kPayload) << "what was on its way, and nothing after";
}

TEST_F(DispatcherTest, M9_ASuspendedPoolKeepsTheDemand) {
  drbg_.state.ready = false;
  drbg_.state.reason = "no fresh seed";
  PoolsChanged();
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_SUSPENDED);
  EXPECT_EQ(Last(peer).head.state(0).reason(), "no fresh seed");
  WriteAll(peer);
  Credit(peer, 1, 64, 0);
  EXPECT_EQ(Granted(peer, 1), 0u);
  drbg_.state.ready = true;
  drbg_.state.reason = "";
  PoolsChanged();
  WriteAll(peer);
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_OPEN);
  EXPECT_EQ(Granted(peer, 1), 64u);
}

TEST_F(DispatcherTest, ADegradedPoolSaysSoAndServesOn) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  drbg_.state.degraded = true;
  PoolsChanged();
  EXPECT_TRUE(Last(peer).head.state(0).degraded());
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_OPEN);
}

TEST_F(DispatcherTest, AFailedSourceDiscardsWhatAgentsBuffer) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  drbg_.state.discard_epoch = 1;
  PoolsChanged();
  EXPECT_TRUE(Last(peer).head.state(0).discard_buffered());
  WriteAll(peer);
  drbg_.state.degraded = true;
  PoolsChanged();
  EXPECT_FALSE(Last(peer).head.state(0).discard_buffered()) << "told once";
}

// The source fails between Distribute and flush: none of its bytes leave, the demand stays, and the
// peer hears `discard_buffered` before it gets bytes of the new epoch.
TEST_F(DispatcherTest, AnEpochThatPassesBeforeTheFlushVoidsThePlan) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  const size_t messages = peer->wire.messages.size();
  drbg_.on_read = [this] {
    drbg_.state.discard_epoch = 1;
    drbg_.on_read = nullptr;
  };
  Credit(peer, 1, 500, 0);
  ASSERT_EQ(peer->wire.messages.size(), messages + 1);
  EXPECT_TRUE(Last(peer).head.state(0).discard_buffered());
  ASSERT_EQ(Last(peer).grants.size(), 1u);
  EXPECT_EQ(Last(peer).grants[0].bytes, 500u);
  EXPECT_EQ(Last(peer).grants[0].offset, 0u);
  EXPECT_EQ(totals().forfeited_bytes, 500u);
  ExpectBalance();
}

TEST_F(DispatcherTest, APoolThatKeepsRefusingIsNotAskedInABusyLoop) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  WriteAll(peer);
  drbg_.on_read = [this] { drbg_.next_error = absl::InternalError("self-test failed"); };
  Credit(peer, 1, 500, 0);
  EXPECT_LE(drbg_.reads, 3);
  EXPECT_EQ(Granted(peer, 1), 0u);
  EXPECT_FALSE(peer->wire.finished);
  drbg_.on_read = nullptr;
  Advance(2 * kSecond);
  EXPECT_EQ(Granted(peer, 1), 500u);
  ExpectBalance();
}

TEST_F(DispatcherTest, AFullPoolGivesWhatItHasAndTheRestWhenMoreComes) {
  full_.available = 300;
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "scarce/key");
  WriteAll(peer);
  Credit(peer, 1, 1000, 0);
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 300u);
  full_.available = 700;
  PoolsChanged();
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 1000u);
}

// Bytes that come while the pass empties the pool raise no change: the pool was not empty.
TEST_F(DispatcherTest, BytesThatArriveDuringAPassAreNotForgotten) {
  full_.available = 0;
  FakePeer* first = Greet("spiffe://test/a");
  FakePeer* second = Greet("spiffe://test/b");
  for (FakePeer* peer : {first, second}) {
    WriteAll(peer);
    Open(peer, 1, "scarce/key");
    WriteAll(peer);
    Credit(peer, 1, 256, 0);
  }
  full_.available = 256;
  full_.on_read = [this] {
    full_.available += 256;
    full_.on_read = nullptr;
  };
  PoolsChanged();
  EXPECT_EQ(Granted(first, 1) + Granted(second, 1), 512u);
}

TEST_F(DispatcherTest, ACeilingHoldsAndTheTimerComesForTheRest) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/slow");
  WriteAll(peer);
  Credit(peer, 1, 256 * 1024, 0);
  WriteAll(peer);
  const uint64_t burst = Granted(peer, 1);
  EXPECT_LE(burst, 4u * 1024 + 1024);
  const int64_t started = clock_.NowNanos();
  while (clock_.NowNanos() < started + 2 * kSecond) {
    ASSERT_GT(wake_nanos_, clock_.NowNanos());
    EXPECT_TRUE(wake_nanos_ % kMilli == 0 || wake_nanos_ - clock_.NowNanos() <= kSecond);
    Advance(wake_nanos_ - clock_.NowNanos());
    WriteAll(peer);
  }
  const double seconds = static_cast<double>(clock_.NowNanos() - started) / kSecond;
  EXPECT_LE(Granted(peer, 1), burst + static_cast<uint64_t>(seconds * 65536) + 4096);
  EXPECT_GE(Granted(peer, 1), static_cast<uint64_t>(seconds * 65536) - 4096);
}

TEST_F(DispatcherTest, TheInFlightCapParksAndAWriteThatEndsReturnsTheOthers) {
  Make({.limits = kLimits, .max_in_flight = 40 * 1024});
  FakePeer* first = Greet("spiffe://test/a");
  FakePeer* second = Greet("spiffe://test/b");
  FakePeer* third = Greet("spiffe://test/c");
  for (FakePeer* peer : {first, second, third}) {
    WriteAll(peer);
    Open(peer, 1, "default/gold");
    WriteAll(peer);
  }
  for (FakePeer* peer : {first, second, third}) Credit(peer, 1, 32 * 1024, 0);
  EXPECT_LE(totals().in_flight_bytes, 40u * 1024);
  for (int round = 0; round < 100; ++round) {
    for (FakePeer* peer : {first, second, third}) {
      if (peer->write_pending()) Written(peer);
      EXPECT_LE(totals().in_flight_bytes, 40u * 1024);
    }
  }
  for (FakePeer* peer : {first, second, third}) EXPECT_EQ(Granted(peer, 1), kPayload);
  EXPECT_EQ(totals().in_flight_bytes, 0u);
}

TEST_F(DispatcherTest, ABackloggedPeerDoesNotStarveItsNeighbour) {
  FakePeer* greedy = Greet("spiffe://test/a");
  FakePeer* polite = Greet("spiffe://test/b");
  for (FakePeer* peer : {greedy, polite}) {
    WriteAll(peer);
    Open(peer, 1, "default/slow");
    WriteAll(peer);
  }
  Credit(greedy, 1, 256 * 1024, 0);
  Credit(polite, 1, 256 * 1024, 0);
  for (int i = 0; i < 2000; ++i) {
    Advance(kMilli);
    WriteAll(greedy);
    WriteAll(polite);
  }
  const double ratio =
      static_cast<double>(Granted(polite, 1)) / static_cast<double>(Granted(greedy, 1));
  EXPECT_NEAR(ratio, 1.0, 0.1);
}

TEST_F(DispatcherTest, StreamsOfOneIdentityShareOneWeight) {
  FakePeer* one = Greet("spiffe://test/one", 'a');
  FakePeer* two_a = Greet("spiffe://test/two", 'b');
  FakePeer* two_b = Greet("spiffe://test/two", 'c');
  for (FakePeer* peer : {one, two_a, two_b}) {
    WriteAll(peer);
    Open(peer, 1, "default/slow");
    WriteAll(peer);
    Credit(peer, 1, 256 * 1024, 0);
  }
  for (int i = 0; i < 3000; ++i) {
    Advance(kMilli);
    for (FakePeer* peer : {one, two_a, two_b}) WriteAll(peer);
  }
  const double both = static_cast<double>(Granted(two_a, 1) + Granted(two_b, 1));
  EXPECT_NEAR(both / static_cast<double>(Granted(one, 1)), 1.0, 0.1);
}

TEST_F(DispatcherTest, GuestsWeighWhereTheClassSaysSo) {
  drbg_.state.ready = false;
  PoolsChanged();
  FakePeer* few = Greet("spiffe://test/few");
  FakePeer* many = Greet("spiffe://test/many");
  for (FakePeer* peer : {few, many}) {
    WriteAll(peer);
    Open(peer, 1, "default/gold");
    WriteAll(peer);
  }
  Credit(few, 1, 8 * 1024, 0, 1);
  Credit(many, 1, 8 * 1024, 0, 3);
  drbg_.state.ready = true;
  drbg_.available = 8 * 1024;  // as a full pool would: what is there is divided by weight
  PoolsChanged();
  EXPECT_EQ(Granted(few, 1) + Granted(many, 1), 8u * 1024);
  EXPECT_NEAR(static_cast<double>(Granted(many, 1)), 6 * 1024, 1024);
}

// How long a peer's machine takes for a write decides how its messages are cut, not what it gets.
TEST_F(DispatcherTest, ASlowWriterGetsNoLessOfAScarceClass) {
  FakePeer* slow = Greet("spiffe://test/slow");
  FakePeer* quick = Greet("spiffe://test/quick");
  for (FakePeer* peer : {slow, quick}) {
    WriteAll(peer);
    Open(peer, 1, "default/slow");
    WriteAll(peer);
    Credit(peer, 1, 256 * 1024, 0);
  }
  for (int i = 0; i < 2000; ++i) {
    Advance(kMilli);
    WriteAll(quick);
    if (i % 100 == 0) WriteAll(slow);  // within which 6 chunks flow in
  }
  const auto bytes = static_cast<double>(Granted(quick, 1));
  EXPECT_NEAR(static_cast<double>(Granted(slow, 1)), bytes, 0.1 * bytes);
  ExpectBalance();
}

TEST_F(DispatcherTest, AStalledPeerHoldsABoundedPlanWhichItsEndForfeits) {
  FakePeer* stalled = Greet("spiffe://test/stalled");
  FakePeer* other = Greet("spiffe://test/other");
  for (FakePeer* peer : {stalled, other}) {
    WriteAll(peer);
    Open(peer, 1, "default/gold");
    Open(peer, 2, "default/slow");
    WriteAll(peer);
  }
  Credit(stalled, 1, 1024, 0);  // is being written from now on
  Credit(stalled, 2, 1024, 0);
  Credit(stalled, 1, 256 * 1024, 0);
  const uint32_t ahead = std::min(Session::kMaxAhead, kPayload);
  EXPECT_EQ(totals().planned_bytes, ahead);
  Credit(other, 1, 1024, 0);
  WriteAll(other);
  EXPECT_EQ(Granted(other, 1), 1024u);
  ExpectBalance();
  // A closed channel takes its part of the plan along; the rest goes with the stream.
  CloseChannel(stalled, 1);
  EXPECT_EQ(totals().planned_bytes, 1024u);
  EXPECT_EQ(totals().forfeited_bytes, ahead - 1024);
  ExpectBalance();
  Die(stalled);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_EQ(totals().forfeited_bytes, ahead);
  ExpectBalance();
}

TEST_F(DispatcherTest, OfAFullPoolNothingIsPlannedForABusySession) {
  FakePeer* busy = Greet("spiffe://test/busy");
  FakePeer* other = Greet("spiffe://test/other");
  for (FakePeer* peer : {busy, other}) {
    WriteAll(peer);
    Open(peer, 1, "scarce/key");
    WriteAll(peer);
  }
  full_.available = 512;
  PoolsChanged();
  Credit(busy, 1, 4096, 0);
  ASSERT_TRUE(busy->write_pending());
  full_.available = 256;
  PoolsChanged();
  EXPECT_EQ(totals().planned_bytes, 0u);
  Credit(other, 1, 4096, 0);
  WriteAll(other);
  EXPECT_EQ(Granted(other, 1), 256u);
}

// Two hosts that want all they can get of a class of 64 KiB/s.
class ScarceClassTest : public DispatcherTest {
 protected:
  void Start(bool weigh_guests) {
    slow_weighs_guests_ = weigh_guests;
    Make({.limits = kLimits});
    few_ = Greet("spiffe://test/few");
    many_ = Greet("spiffe://test/many");
    for (FakePeer* peer : {few_, many_}) {
      WriteAll(peer);
      Open(peer, 1, "default/slow");
      WriteAll(peer);
    }
  }
  // Renews the credit of both; returns what `many_` gets for each byte of `few_` in so many seconds.
  double Ratio(uint32_t few_waiting, uint32_t many_waiting, int seconds) {
    const uint64_t few_before = Granted(few_, 1);
    const uint64_t many_before = Granted(many_, 1);
    for (int i = 0; i < seconds * 1000; ++i) {
      if (i % 100 == 0) {
        Renew(few_, few_waiting);
        Renew(many_, many_waiting);
      }
      Advance(kMilli);
      WriteAll(few_);
      WriteAll(many_);
    }
    return static_cast<double>(Granted(many_, 1) - many_before) /
           static_cast<double>(Granted(few_, 1) - few_before);
  }
  // Each host has 20 guests, of which so many wait.
  void Renew(FakePeer* peer, uint32_t waiting) {
    const uint64_t received = Granted(peer, 1);
    v1::AgentMessage message;
    v1::Line* line = message.mutable_credit()->add_line();
    line->set_channel(1);
    line->set_limit(received + kLimits.max_credit);
    line->set_received(received);
    line->set_guests(20);
    line->set_waiting_guests(waiting);
    Say(peer, message);
  }

  FakePeer* few_ = nullptr;
  FakePeer* many_ = nullptr;
};

TEST_F(ScarceClassTest, HostsShareByWaitingGuests) {
  Start(true);
  EXPECT_NEAR(Ratio(1, 10, 40), 10, 0.3);
}

TEST_F(ScarceClassTest, HostsShareEquallyWhereGuestsDoNotWeigh) {
  Start(false);
  EXPECT_NEAR(Ratio(1, 10, 10), 1, 0.02);
}

TEST_F(ScarceClassTest, SharesFollowTheNumberOfGuestsAndRatesStay) {
  Start(true);
  EXPECT_NEAR(Ratio(2, 6, 5), 3, 0.1);
  const uint64_t before = Granted(few_, 1) + Granted(many_, 1);
  EXPECT_NEAR(Ratio(6, 2, 5), 1.0 / 3, 0.02);
  const auto bytes = static_cast<double>(Granted(few_, 1) + Granted(many_, 1) - before);
  EXPECT_NEAR(bytes, 5.0 * (64 << 10), 2048);
  EXPECT_NEAR(Ratio(0, 1, 5), 1, 0.02) << "a host whose guests do not wait weighs 1";
  for (const auto& stats : dispatcher_->classes().slots()[0]->tree->Stats(clock_.NowNanos())) {
    if (stats.spec.name != "slow") continue;
    EXPECT_EQ(stats.spec.rate, 16u << 10);
    EXPECT_EQ(stats.spec.ceil, 64u << 10);
  }
}

TEST_F(DispatcherTest, TheNewestStreamOfAHostWins) {
  FakePeer* older = Greet("spiffe://test/a", 'x');
  WriteAll(older);
  Open(older, 1, "default/gold");
  WriteAll(older);
  Credit(older, 1, 100, 0);
  WriteAll(older);
  FakePeer* other = Greet("spiffe://test/a", 'y');
  EXPECT_FALSE(older->wire.finished) << "another host of the same identity";
  FakePeer* newer = Greet("spiffe://test/a", 'x');
  EXPECT_TRUE(absl::IsAborted(older->wire.status)) << older->wire.status;
  EXPECT_FALSE(newer->wire.finished);
  EXPECT_FALSE(other->wire.finished);
  EXPECT_EQ(totals().lost_bytes, 100u);
  Post(older->session, Session::kDead);
  EXPECT_TRUE(older->wire.deleted);
  EXPECT_EQ(dispatcher_->roster().registered(), 2u);
}

TEST_F(DispatcherTest, AHostThatIsReplacedTooOftenLooksCloned) {
  FakePeer* peer = Greet();
  for (int i = 0; i < 3; ++i) {
    WriteAll(peer);
    FakePeer* next = Greet();
    EXPECT_TRUE(peer->wire.finished);
    peer = next;
  }
  FakePeer* fourth = Greet();
  EXPECT_TRUE(absl::IsAlreadyExists(fourth->wire.status));
  EXPECT_FALSE(peer->wire.finished) << "the older one stays";
  Advance(61 * kSecond);
  WriteAll(peer);
  FakePeer* later = Greet();
  EXPECT_FALSE(later->wire.finished);
}

TEST_F(DispatcherTest, AgentsBeyondTheCapAreRefusedAtTheirStart) {
  Make({.limits = kLimits, .max_agents = 1});
  FakePeer* first = Greet("spiffe://test/a");
  FakePeer* second = Attach("spiffe://test/b");
  EXPECT_TRUE(absl::IsResourceExhausted(second->wire.status));
  EXPECT_EQ(second->wire.reads, 0);
  Post(second->session, Session::kDead);
  Die(first);
  FakePeer* third = Greet("spiffe://test/b");
  EXPECT_FALSE(third->wire.finished);
}

TEST_F(DispatcherTest, AWriteOutstandingForAMinuteCancelsTheStream) {
  FakePeer* peer = Greet();
  Advance(59 * kSecond);
  EXPECT_FALSE(peer->wire.cancelled);
  Advance(2 * kSecond);
  EXPECT_TRUE(peer->wire.cancelled);
  EXPECT_FALSE(peer->wire.finished) << "not before the write has failed";
  Written(peer, false);
  EXPECT_TRUE(peer->wire.finished);
  EXPECT_EQ(totals().stuck_writes, 1u);
}

TEST_F(DispatcherTest, EverySessionIsMovedBetween40And50Minutes) {
  FakePeer* peer = Greet();
  WriteAll(peer);
  const int64_t started = clock_.NowNanos();
  while (peer->wire.messages.size() == 1) Advance(kSecond);
  const int64_t age = clock_.NowNanos() - started;
  EXPECT_GE(age, 40 * 60 * kSecond - kSecond);
  EXPECT_LE(age, 50 * 60 * kSecond + kSecond);
  EXPECT_EQ(Last(peer).head.drain().reason(), "rebalance");
  WriteAll(peer);
  Advance(31 * kSecond);
  EXPECT_TRUE(absl::IsUnavailable(peer->wire.status));
}

TEST_F(DispatcherTest, DrainTellsAllAndRefusesNewStreamsUntilTheDeadline) {
  FakePeer* a = Greet("spiffe://test/a");
  FakePeer* b = Greet("spiffe://test/b");
  WriteAll(a);
  WriteAll(b);
  Post(new Command([](Dispatcher& dispatcher, int64_t now) {
         EXPECT_EQ(dispatcher.Drain("spiffe://test/a", "one", now, now + 5 * kSecond), 1u);
       }),
       1);
  EXPECT_EQ(Last(a).head.drain().deadline_ms(), 5000u);
  EXPECT_FALSE(Last(b).head.has_drain());
  EXPECT_FALSE(Attach("spiffe://test/c")->wire.finished);
  Post(new Command([](Dispatcher& dispatcher, int64_t now) {
         EXPECT_EQ(dispatcher.Drain("", "all", now, now + 2 * kSecond), 3u);
       }),
       1);
  EXPECT_TRUE(Last(b).head.has_drain());
  EXPECT_TRUE(absl::IsUnavailable(Attach("spiffe://test/d")->wire.status));
  WriteAll(b);
  Post(b->session, Session::kReadEnd);  // moved, half-closed
  EXPECT_TRUE(b->wire.finished);
  EXPECT_TRUE(b->wire.status.ok());
  WriteAll(a);
  Advance(2 * kSecond);
  EXPECT_TRUE(absl::IsUnavailable(a->wire.status));
}

TEST_F(DispatcherTest, GetIsAnsweredOnceTheClassHasGivenAll) {
  FakeOutlet::Record record;
  Draw* draw = Get(&record, "default/gold", 100);
  ASSERT_TRUE(record.done);
  EXPECT_EQ(record.response.data().size(), 100u);
  EXPECT_EQ(record.response.quality(), v1::QUALITY_DRBG);
  EXPECT_EQ(record.response.seed_generation(), 7u);
  EXPECT_EQ(totals().drawn_bytes, 100u);
  Post(draw, Draw::kDead);
  EXPECT_TRUE(dispatcher_->draws().empty());
  ExpectBalance();
}

TEST_F(DispatcherTest, GetWaitsForTokensAndKeepsItsPlace) {
  FakeOutlet::Record record;
  Draw* draw = Get(&record, "default/slow", 32 * 1024);
  EXPECT_FALSE(record.done);
  for (int i = 0; i < 1000 && !record.done; ++i) Advance(kMilli);
  ASSERT_TRUE(record.done);
  ASSERT_EQ(record.response.data().size(), 32u * 1024);
  for (size_t i = 0; i < record.response.data().size(); ++i) {
    ASSERT_EQ(static_cast<uint8_t>(record.response.data()[i]), static_cast<uint8_t>(i));
  }
  Post(draw, Draw::kDead);
  ExpectBalance();
}

TEST_F(DispatcherTest, AGetThatIsGivenUpForfeitsWhatItWasGranted) {
  FakeOutlet::Record record;
  Draw* draw = Get(&record, "default/slow", 32 * 1024);
  Post(draw, Draw::kCancelled);
  Post(draw, Draw::kDead);
  EXPECT_GT(totals().forfeited_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  ExpectBalance();
}

// What the leaves of a tree were charged is what their pool gave, but for what was given up or
// refused, and adds up to the root.
TEST_F(DispatcherTest, S3_TheTreesCountExactlyTheBytesThatPoolsGive) {
  const auto charged = [this](bool leaves) {
    uint64_t bytes = 0;
    for (const auto& slot : dispatcher_->classes().slots()) {
      for (const ClassTree::ClassStats& stats : slot->tree->Stats(clock_.NowNanos())) {
        if (leaves ? stats.leaf : stats.spec.parent.empty()) bytes += stats.delivered_bytes;
      }
    }
    return bytes;
  };
  full_.available = 5'000;
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  Open(peer, 2, "default/slow");
  Open(peer, 3, "scarce/key");
  WriteAll(peer);
  for (uint64_t round = 1; round <= 20; ++round) {
    for (const uint32_t channel : {1, 2, 3}) Credit(peer, channel, round * 3'000, 0);
    FakeOutlet::Record record;
    Draw* draw = Get(&record, round % 2 == 0 ? "default/gold" : "default/slow", 100 * round);
    if (round % 5 == 0) drbg_.next_error = absl::UnavailableError("no fresh seed");
    WriteAll(peer);
    Advance(300 * kMilli);
    WriteAll(peer);
    Post(draw, Draw::kCancelled);
    Post(draw, Draw::kDead);
    ExpectBalance();
    EXPECT_EQ(charged(true), totals().charged_bytes);
    EXPECT_EQ(charged(false), totals().charged_bytes);
    EXPECT_EQ(drbg_.given + full_.given, totals().sent_bytes + totals().drawn_bytes);
    EXPECT_EQ(drbg_.given + full_.given,
              totals().charged_bytes - totals().planned_bytes - totals().forfeited_bytes);
  }
  EXPECT_EQ(full_.given, 5'000u);
  EXPECT_GT(totals().forfeited_bytes, 0u);
  EXPECT_GT(totals().drawn_bytes, 0u);
}

TEST_F(DispatcherTest, M9_GetSaysWhyItIsRefused) {
  const auto code = [this](const std::string& name, uint32_t bytes,
                           v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    FakeOutlet::Record record;
    Draw* draw = Get(&record, name, bytes, "spiffe://test/reader", quality);
    const absl::StatusCode result = record.status.code();
    Post(draw, Draw::kDead);
    return result;
  };
  EXPECT_EQ(code("default/gold", 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("default/gold", 32 * 1024 + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("default/secret", 1), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("default/nonsuch", 1), absl::StatusCode::kNotFound);
  EXPECT_EQ(code("default/gold", 1, v1::QUALITY_FULL), absl::StatusCode::kFailedPrecondition);
  drbg_.state.ready = false;
  PoolsChanged();
  EXPECT_EQ(code("default/gold", 1), absl::StatusCode::kUnavailable);
}

TEST_F(DispatcherTest, DrawsWaitInABoundedQueue) {
  Make({.limits = kLimits, .max_draws = 3, .max_draws_per_identity = 2});
  std::vector<FakeOutlet::Record> records(5);
  std::vector<Draw*> draws;
  draws.push_back(Get(&records[0], "default/slow", 32 * 1024, "a"));
  draws.push_back(Get(&records[1], "default/slow", 32 * 1024, "a"));
  draws.push_back(Get(&records[2], "default/slow", 32 * 1024, "a"));
  EXPECT_TRUE(absl::IsResourceExhausted(records[2].status)) << "too many of one identity";
  Post(draws[2], Draw::kDead);
  draws[2] = Get(&records[3], "default/slow", 32 * 1024, "b");
  EXPECT_FALSE(records[3].done);
  draws.push_back(Get(&records[4], "default/slow", 32 * 1024, "c"));
  EXPECT_TRUE(absl::IsResourceExhausted(records[4].status)) << "too many at all";
  for (Draw* draw : draws) {
    Post(draw, Draw::kCancelled);
    Post(draw, Draw::kDead);
  }
  ExpectBalance();
}

TEST_F(DispatcherTest, AGetThatNobodyCanServeEndsAfterThirtySeconds) {
  full_.available = 10;
  FakeOutlet::Record record;
  Draw* draw = Get(&record, "scarce/key", 1000);
  Advance(31 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(record.status));
  Post(draw, Draw::kDead);
  ExpectBalance();
}

// New figures for the classes of pool `default`, as the fixture makes them.
class ChangedClassesTest : public DispatcherTest {
 protected:
  absl::Status Change(uint64_t slow_ceil, bool with_gold = true) {
    ClassUpdate update;
    update.pool = "default";
    update.specs = {Class("root", "", 100 << 20), Class("slow", "root", 16 << 10, slow_ceil)};
    if (with_gold) update.specs.push_back(Class("gold", "root", 10 << 20));
    update.differing = {"slow"};
    absl::Status status;
    Post(new Command([&](Dispatcher& dispatcher, int64_t now_nanos) {
           status = dispatcher.UpdateClasses(update, now_nanos);
         }),
         1);
    return status;
  }
  FakePeer* OpenSlow(uint64_t limit) {
    FakePeer* peer = Greet();
    WriteAll(peer);
    Open(peer, 1, "default/slow");
    WriteAll(peer);
    Credit(peer, 1, limit, 0);
    WriteAll(peer);
    return peer;
  }
  // What channel 1 is granted within a second.
  uint64_t InASecond(FakePeer* peer) {
    const uint64_t before = Granted(peer, 1);
    for (int i = 0; i < 100; ++i) {
      Advance(10 * kMilli);
      WriteAll(peer);
    }
    return Granted(peer, 1) - before;
  }
};

TEST_F(ChangedClassesTest, WhatWaitsGoesOnWaitingAtTheNewFigures) {
  FakePeer* peer = OpenSlow(256 * 1024);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 64 << 10, 4 << 10);
  ASSERT_TRUE(Change(32 << 10).ok());
  WriteAll(peer);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 32 << 10, 4 << 10);
  ASSERT_TRUE(Change(100 << 10).ok());
  WriteAll(peer);
  EXPECT_NEAR(static_cast<double>(InASecond(peer)), 100 << 10, 4 << 10);
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 256u * 1024) << "all that was asked for before the first change";
  ExpectBalance();
}

TEST_F(ChangedClassesTest, ChannelsAreToldBeforeTheNextGrant) {
  FakePeer* peer = OpenSlow(256 * 1024);
  const size_t messages = peer->wire.messages.size();
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  ASSERT_GT(peer->wire.messages.size(), messages);
  const ServerMessageView& message = Message(peer, messages);
  ASSERT_EQ(message.head.state_size(), 1);
  EXPECT_EQ(message.head.state(0).ceil(), 0u);
  EXPECT_EQ(message.head.state(0).rate(), 16u << 10);
  EXPECT_EQ(message.head.state(0).phase(), v1::PHASE_OPEN);
  EXPECT_FALSE(message.head.state(0).discard_buffered());
  WriteAll(peer);
  const size_t told = peer->wire.messages.size();
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  EXPECT_EQ(peer->wire.messages.size(), told) << "no news";
}

TEST_F(ChangedClassesTest, AGetThatWaitsIsServedAtTheNewFigures) {
  FakeOutlet::Record record;
  Draw* draw = Get(&record, "default/slow", 32 * 1024);
  EXPECT_FALSE(record.done);
  ASSERT_TRUE(Change(ClassTree::kUnlimited).ok());
  ASSERT_TRUE(record.done);
  EXPECT_EQ(record.response.data().size(), 32u * 1024);
  ExpectBalance();
  Post(draw, Draw::kDead);
}

TEST_F(ChangedClassesTest, ARefusedUpdateChangesNothing) {
  FakePeer* gold = Greet();
  WriteAll(gold);
  Open(gold, 1, "default/gold");
  WriteAll(gold);
  EXPECT_TRUE(absl::IsFailedPrecondition(Change(32 << 10, false)));
  EXPECT_EQ(dispatcher_->classes().FindLeaf("default/slow")->ceil, 64u << 10);
  EXPECT_TRUE(dispatcher_->classes().slots()[0]->differing.empty());
  ASSERT_TRUE(Change(32 << 10).ok());
  EXPECT_TRUE(dispatcher_->classes().slots()[0]->differing.contains("slow"));
}

}  // namespace
}  // namespace entropyd
