// Pools that are suspended, degraded, empty, or lose a source while the dispatcher serves from
// them.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

TEST_F(DispatcherTest, M9_ASuspendedPoolKeepsTheDemand) {
  drbg_.state.phase = PoolState::Phase::kSuspended;
  drbg_.state.reason = PoolState::Reason::kNoFreshSeed;
  drbg_.state.needed_groups = 1;
  PoolsChanged();
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_SUSPENDED);
  EXPECT_EQ(Last(peer).head.state(0).reason(), "0 of 1 groups gave a fresh seed");
  WriteAll(peer);
  Credit(peer, 1, 64, 0);
  EXPECT_EQ(Granted(peer, 1), 0u);
  drbg_.state.phase = PoolState::Phase::kServing;
  drbg_.state.reason = PoolState::Reason::kNone;
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
  drbg_.state.phase = PoolState::Phase::kDegraded;
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
  drbg_.state.phase = PoolState::Phase::kDegraded;
  PoolsChanged();
  EXPECT_FALSE(Last(peer).head.state(0).discard_buffered()) << "told once";
}

// The source fails between the pass and the flush. None of its bytes leave, the demand stays, and
// the peer gets `discard_buffered` before any bytes of the new epoch.
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

// Bytes that come while the pass empties the pool cause no call back, because the pool was not
// empty.
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

}  // namespace
}  // namespace entropyd
