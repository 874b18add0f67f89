// How much of one turn of the event loop a guest can have, whatever it asks for. Turns are counted,
// not timed.
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

class TurnBudgetTest : public ServedHostTest {
 protected:
  // A connection that has asked for so many times 255 bytes, and reads nothing so far.
  Client Greedy(size_t requests) {
    Bytes ask;
    for (size_t i = 0; i < requests; ++i) ask.insert(ask.end(), {0x02, 0xff});
    return Connect(kAuto, ask);
  }
  // Upstream has left a seed, and is gone.
  void Lose() {
    Arrive(48);
    host_->classes()[0]->OnUpstream({UpstreamState::Kind::kGone, 0});
  }
  uint64_t delivered() { return counters().delivered_bytes.Get(); }
};

TEST_F(TurnBudgetTest, ALossGivesAGreedyGuestNoMoreThanATurnsBudget) {
  Make(100, ClassTree::kUnlimited, OnUpstreamLoss::kLocal);
  Lose();
  Client greedy = Greedy(8'000);  // 2 MB
  for (int turn = 1; turn <= 10; ++turn) {
    const uint64_t before = delivered();
    Turn();
    EXPECT_LE(delivered() - before, ServeBudget::kBytes);
    greedy.Receive();
  }
  EXPECT_GT(delivered(), 8 * ServeBudget::kBytes);
}

TEST_F(TurnBudgetTest, PoliteGuestsHaveTheirBytesInTheTurnBesideAGreedyOne) {
  Make(100, ClassTree::kUnlimited, OnUpstreamLoss::kLocal);
  Lose();
  Client greedy = Greedy(8'000);
  std::vector<Client> polite;
  for (int i = 0; i < 20; ++i) polite.push_back(Connect(kAuto));
  for (int round = 0; round < 5; ++round) {
    greedy.Receive();
    for (Client& client : polite) client.Send({0x02, 16});
    Turn();
    for (Client& client : polite) EXPECT_EQ(client.Receive().size(), 16u);
  }
}

TEST_F(TurnBudgetTest, AFullBufferIsNoReasonForALongTurn) {
  Arrive(4 << 20);
  const uint64_t before = delivered();
  Client greedy = Greedy(8'000);  // asks, and is served in the turn of its connection
  EXPECT_LE(delivered() - before, ServeBudget::kBytes);
  Turn();
  EXPECT_LE(delivered() - before, 2 * ServeBudget::kBytes);
}

TEST_F(TurnBudgetTest, BusyClassesShareATurnAndOneAloneHasAllOfIt) {
  settings_.listeners[kEgd].class_index = 1;
  MakeWithSilver();
  for (ServedClass* served : host_->classes()) {
    served->buffer()->Append(StreamBytes(0, 2 << 20));
    served->OnArrival();
  }
  Bytes ask;
  for (int i = 0; i < 4'000; ++i) ask.insert(ask.end(), {0x02, 0xff});
  std::vector<Client> greedy;
  for (Door door : {kAuto, kEgd}) greedy.push_back(Connect(door, ask));
  const auto given = [&](size_t i) {
    return host_->classes()[i]->counters()->delivered_bytes.Get();
  };
  for (int turn = 0; turn < 4; ++turn) {
    for (Client& client : greedy) client.Receive();
    Turn();  // what was read makes them writable again
    const uint64_t gold = given(0), silver = given(1);
    Turn();
    EXPECT_LE(given(0) - gold, ServeBudget::kBytes / 2);
    EXPECT_LE(given(1) - silver, ServeBudget::kBytes / 2);
  }
  EXPECT_GT(given(0), ServeBudget::kBytes);
  EXPECT_GT(given(1), ServeBudget::kBytes);
}

TEST_F(TurnBudgetTest, ClassesThatLoseUpstreamAtOnceShareTheTurnOfTheLoss) {
  Make(100, ClassTree::kUnlimited, OnUpstreamLoss::kLocal);
  settings_.listeners[kEgd].class_index = 1;
  MakeWithSilver();
  for (ServedClass* served : host_->classes()) {
    served->buffer()->Append(StreamBytes(0, 48));  // a seed for later
    served->OnArrival();
  }
  Turn();
  Bytes ask;
  for (int i = 0; i < 8'000; ++i) ask.insert(ask.end(), {0x02, 0xff});
  std::vector<Client> greedy;
  for (Door door : {kAuto, kEgd}) greedy.push_back(Connect(door, ask));
  const auto given = [&] {
    uint64_t bytes = 0;
    for (ServedClass* served : host_->classes()) bytes += served->counters()->delivered_bytes.Get();
    return bytes;
  };
  for (int turn = 0; turn < 50; ++turn) Turn();
  const uint64_t before = given();
  for (ServedClass* served : host_->classes()) {
    served->OnUpstream({UpstreamState::Kind::kGone, clock_.NowNanos()});
  }
  Turn();
  EXPECT_GT(given(), before);
  EXPECT_LE(given() - before, ServeBudget::kBytes);
}

TEST_F(TurnBudgetTest, WorkThatIsLeftNeedsNoEventToGoOn) {
  Arrive(4 << 20);
  Client greedy = Greedy(600);  // 153,000 bytes: two turns
  loop_->RunOnce(kSecondNanos);
  EXPECT_EQ(greedy.Receive().size(), 600u * 255);
}

TEST_F(TurnBudgetTest, AFloodOfCommandsIsReadInTurnsAndPoliteGuestsHaveTheirBytesInEach) {
  constexpr size_t kFlood = 16'000;
  Arrive(100'000);
  std::vector<Client> greedy;
  for (int i = 0; i < 50; ++i) greedy.push_back(Connect(kAuto));
  Client polite = Connect(kAuto);
  for (Client& client : greedy) client.Send(Bytes(kFlood, 0x04));
  uint64_t read = 0;
  for (int turn = 0; turn < 10; ++turn) {
    polite.Send({0x02, 16});
    Turn();
    EXPECT_EQ(polite.Receive().size(), 16u);
    EXPECT_LE(counters().requests[4].Get() - read,
              EventLoop::kInputPerTurn + greedy.size() * Connection::kMinInputBytes);
    EXPECT_GT(counters().requests[4].Get(), read);
    read = counters().requests[4].Get();
  }
  for (int turn = 0; turn < 100; ++turn) Turn();
  EXPECT_EQ(counters().requests[4].Get(), greedy.size() * kFlood);
}

TEST_F(TurnBudgetTest, RepliesWithoutEntropyTakeTurnsToo) {
  Client greedy = Connect(kAuto, Bytes(16'000, 0x00));
  for (int i = 0; i < 20; ++i) {
    greedy.Send(Bytes(16'000, 0x00));
    Turn();
  }
  Arrive(1'000);
  Client polite = Connect(kAuto);
  polite.Send({0x02, 16});
  Turn();
  EXPECT_EQ(polite.Receive().size(), 16u);
}

}  // namespace
}  // namespace entropyd
