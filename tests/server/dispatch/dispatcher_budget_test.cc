// A waiter for room below max_in_flight is served as soon as there is room, whatever made the room.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

class DispatcherBudgetTest : public DispatcherFixture {
 protected:
  static constexpr uint64_t kCap = 20 * 1024;
  static constexpr uint64_t kAsked = 16 * 1024;

  void SetUp() override { Make({.max_in_flight = kCap}); }

  FakePeer* OpenOn(const std::string& name, const std::string& identity) {
    FakePeer* peer = Greet(identity);
    WriteAll(peer);
    Open(peer, 1, name);
    WriteAll(peer);
    return peer;
  }
  // A pending Get that holds more than the cap, as long as its class has no more to give.
  PendingGet* HoldTheBudget() {
    full_.available = 24 * 1024;
    return Get(&record_, "scarce/key", 32 * 1024);
  }
  // A claimant that waits for room.
  FakePeer* WaitForRoom(const std::string& name = "default/gold") {
    FakePeer* peer = OpenOn(name, "spiffe://test/waits");
    Credit(peer, 1, kAsked, 0);
    EXPECT_EQ(Granted(peer, 1), 0u) << "there was room";
    return peer;
  }
  // The message that the peer's next kRead brings.
  static void SetCredit(FakePeer* peer, uint64_t limit) {
    v1::Line* const line = peer->session->inbox()->room()->mutable_credit()->add_line();
    line->set_channel(1);
    line->set_limit(limit);
  }
  // A session with a write under way, and as much planned ahead as the cap lets it.
  FakePeer* PlanAhead() {
    FakePeer* peer = OpenOn("default/gold", "spiffe://test/busy");
    Credit(peer, 1, 8 * 1024, 0);
    Credit(peer, 1, 64 * 1024, 0);
    EXPECT_TRUE(peer->write_pending());
    EXPECT_EQ(totals().in_flight_bytes, 8u * 1024);
    EXPECT_EQ(totals().planned_bytes, 12u * 1024);
    return peer;
  }

  FakeOutlet::Record record_;
};

TEST_F(DispatcherBudgetTest, AGetThatIsAnsweredMakesRoom) {
  PendingGet* get = HoldTheBudget();
  FakePeer* peer = WaitForRoom();
  full_.available += 8 * 1024;
  PoolsChanged();
  EXPECT_TRUE(record_.done);
  EXPECT_EQ(Granted(peer, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, AGetThatIsCancelledMakesRoom) {
  PendingGet* get = HoldTheBudget();
  FakePeer* peer = WaitForRoom();
  Post(get, PendingGet::kCancelled);
  EXPECT_EQ(Granted(peer, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, AGetWhoseTimeIsUpMakesRoom) {
  PendingGet* get = HoldTheBudget();
  FakePeer* peer = WaitForRoom();
  Advance(31 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(record_.status));
  EXPECT_EQ(Granted(peer, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, AGetWhosePoolStopsMakesRoom) {
  PendingGet* get = HoldTheBudget();
  FakePeer* peer = WaitForRoom();
  full_.state.phase = PoolState::Phase::kSuspended;
  PoolsChanged();
  EXPECT_TRUE(absl::IsUnavailable(record_.status));
  EXPECT_EQ(Granted(peer, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, AGetWhosePoolDiscardsMakesRoom) {
  PendingGet* get = HoldTheBudget();
  FakePeer* peer = WaitForRoom();
  ++full_.state.discard_epoch;
  PoolsChanged();
  EXPECT_TRUE(absl::IsUnavailable(record_.status));
  EXPECT_EQ(Granted(peer, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, ASessionThatEndsMakesRoomWhileItsWriteIsStillUnderWay) {
  FakePeer* busy = PlanAhead();
  FakePeer* peer = WaitForRoom();
  Credit(busy, 1, 1, 0);  // goes back: a violation
  EXPECT_TRUE(busy->write_pending());
  EXPECT_GE(Granted(peer, 1), 12u * 1024);
  EXPECT_EQ(totals().violations, 1u);
  ExpectBalance();
}

TEST_F(DispatcherBudgetTest, AChannelThatIsClosedMakesRoomWhileAWriteIsStillUnderWay) {
  FakePeer* busy = PlanAhead();
  FakePeer* peer = WaitForRoom();
  CloseChannel(busy, 1);
  EXPECT_TRUE(busy->write_pending());
  EXPECT_GE(Granted(peer, 1), 12u * 1024);
  ExpectBalance();
}

// Nothing is under way and nothing will come whose end could wake the waiter.
TEST_F(DispatcherBudgetTest, APoolThatRefusesWhatWasPlannedMakesRoomForAnother) {
  // The pools take turns in being first. So in one of the two rounds the refused plan is made
  // first.
  for (const bool other_turn : {false, true}) {
    Make({.max_in_flight = kCap});
    peers_.clear();
    FakePeer* refused = OpenOn("default/gold", "spiffe://test/refused");
    FakePeer* peer = OpenOn("scarce/key", "spiffe://test/waits");
    if (other_turn) Tick();
    drbg_.on_read = [this] { drbg_.next_error = absl::InternalError("self-test failed"); };
    SetCredit(refused, 64 * 1024);
    SetCredit(peer, kAsked);
    Post(new Command([&](int64_t) {  // both in one step
           dispatcher_->mailbox().Post(refused->session, Session::kRead);
           dispatcher_->mailbox().Post(peer->session, Session::kRead);
         }),
         1);
    EXPECT_EQ(Granted(refused, 1), 0u);
    EXPECT_EQ(Granted(peer, 1), kAsked) << other_turn;
    drbg_.on_read = nullptr;
    ExpectBalance();
  }
}

// Room goes to those that waited longest, the room of one message to each. When their pool has
// nothing for them now, the room goes to those behind them.
TEST_F(DispatcherBudgetTest, RoomThatTheFirstCannotUseGoesToTheNext) {
  PendingGet* get = HoldTheBudget();
  FakePeer* first = OpenOn("default/gold", "spiffe://test/first");
  FakePeer* second = OpenOn("default/gold", "spiffe://test/second");
  Credit(first, 1, kAsked, 0);
  Credit(second, 1, kAsked, 0);
  FakePeer* third = WaitForRoom("scarce/key");
  drbg_.state.phase = PoolState::Phase::kSuspended;
  PoolsChanged();
  WriteAll(first);
  WriteAll(second);
  full_.available = 0;
  Post(get, PendingGet::kCancelled);
  full_.available = 64 * 1024;
  PoolsChanged();
  EXPECT_EQ(Granted(first, 1) + Granted(second, 1), 0u);
  EXPECT_EQ(Granted(third, 1), kAsked);
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

}  // namespace
}  // namespace entropyd
