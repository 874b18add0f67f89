// Agents that come, come twice, stay too long, stop reading, or are told to go.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

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
  EXPECT_EQ(registry().registered(), 2u);
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
  Make({.max_agents = 1});
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
  while (!Last(peer).head.has_drain()) {
    WriteAll(peer);
    Advance(kSecond);
  }
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
  Post(new Command([this](int64_t now) {
         EXPECT_EQ(protocols_->Drain("spiffe://test/a", "one", now, now + 5 * kSecond), 1u);
       }),
       1);
  EXPECT_EQ(Last(a).head.drain().deadline_ms(), 5000u);
  EXPECT_FALSE(Last(b).head.has_drain());
  EXPECT_FALSE(Attach("spiffe://test/c")->wire.finished);
  Post(new Command([this](int64_t now) {
         EXPECT_EQ(protocols_->Drain("", "all", now, now + 2 * kSecond), 3u);
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

TEST_F(DispatcherTest, ADrainThatWasEndedTakesNewStreams) {
  EXPECT_EQ(protocols_->standing(), Protocols::Standing::kServing);
  EXPECT_EQ(protocols_->EndDrain(), Protocols::Standing::kServing) << "there is none";
  Post(new Command(
           [this](int64_t now) { protocols_->Drain("", "kernel update", now, now + 2 * kSecond); }),
       1);
  EXPECT_EQ(protocols_->standing(), Protocols::Standing::kDraining);
  EXPECT_EQ(protocols_->drain_reason(), "kernel update");
  EXPECT_TRUE(absl::IsUnavailable(Attach("spiffe://test/a")->wire.status));
  EXPECT_EQ(protocols_->EndDrain(), Protocols::Standing::kDraining);
  EXPECT_EQ(protocols_->standing(), Protocols::Standing::kServing);
  EXPECT_EQ(protocols_->drain_reason(), "");
  EXPECT_FALSE(Attach("spiffe://test/b")->wire.finished);
}

TEST_F(DispatcherTest, ADrainOfOneAgentIsNotThatOfTheServer) {
  WriteAll(Greet("spiffe://test/a"));
  Post(new Command([this](int64_t now) {
         protocols_->Drain("spiffe://test/a", "one", now, now + 5 * kSecond);
       }),
       1);
  EXPECT_EQ(protocols_->standing(), Protocols::Standing::kServing);
}

}  // namespace
}  // namespace entropyd
