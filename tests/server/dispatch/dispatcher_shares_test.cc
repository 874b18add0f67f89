// Ceilings, and who gets how much when there is not enough.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

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
  Make({.max_in_flight = 40 * 1024});
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
  drbg_.state.phase = PoolState::Phase::kSuspended;
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
  drbg_.state.phase = PoolState::Phase::kServing;
  drbg_.available = 8 * 1024;  // as a full pool would: what is there is divided by weight
  PoolsChanged();
  EXPECT_EQ(Granted(few, 1) + Granted(many, 1), 8u * 1024);
  EXPECT_NEAR(static_cast<double>(Granted(many, 1)), 6 * 1024, 1024);
}

// The time that a peer's machine takes for a write decides the size of its messages, not how much
// it gets.
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
  const uint32_t ahead = std::min(Outbox::kMaxAhead, kPayload);
  EXPECT_EQ(totals().planned_bytes, ahead);
  Credit(other, 1, 1024, 0);
  WriteAll(other);
  EXPECT_EQ(Granted(other, 1), 1024u);
  ExpectBalance();
  // A closed channel gives up its part of the plan. The end of the stream gives up the rest.
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
    Make({});
    few_ = Greet("spiffe://test/few");
    many_ = Greet("spiffe://test/many");
    for (FakePeer* peer : {few_, many_}) {
      WriteAll(peer);
      Open(peer, 1, "default/slow");
      WriteAll(peer);
    }
  }
  // Renews the credit of both for so many seconds. Returns how many bytes `many_` gets for each
  // byte of `few_`.
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

// What a host tells of its guests is its own word. The policy says how much of it counts.
TEST_F(ScarceClassTest, AHostWeighsNoMoreThanThePolicyLetsIt) {
  max_weight_ = 5;
  Start(true);
  EXPECT_NEAR(Ratio(1, 4096, 20), 5, 0.2);
  EXPECT_NEAR(Ratio(5, 4096, 10), 1, 0.05);
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
  const auto all = dispatcher_->classes().slots()[0]->tree->Stats(clock_.NowNanos());
  const auto slow =
      std::find_if(all.begin(), all.end(), [](const auto& one) { return one.spec.name == "slow"; });
  ASSERT_NE(slow, all.end());
  EXPECT_EQ(slow->spec.rate, 16u << 10);
  EXPECT_EQ(slow->spec.ceil, 64u << 10);
}

}  // namespace
}  // namespace entropyd
