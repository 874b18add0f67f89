#include "server/dispatch/distributor.h"

#include "base/process/clock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/fake_claimant.h"

namespace entropyd {
namespace {

class DistributorTest : public ::testing::Test {
 protected:
  // Waits for room in the budget, as a session does.
  struct Waiter final : ByteBudget::Waiter {
    explicit Waiter(Claimant* waiting) : claimant(waiting) {}
    void OnRoom(int64_t now_nanos) override { claimant->Unpark(now_nanos); }
    Claimant* const claimant;
  };

  void Pass() { distributor_.Pass(clock_.NowNanos()); }
  void Refresh() { table_.Refresh(false); }
  void Join(FakeClaimant* claimant, const char* leaf, uint64_t bytes) {
    claimant->Join(table_.FindLeaf(leaf));
    claimant->Want(bytes, clock_.NowNanos());
  }

  ManualClock clock_{kSecondNanos};
  FakePool first_{"first"};
  FakePool second_{"second", v1::QUALITY_FULL};
  ClassTable table_{SetupsOf({&first_, &second_})};
  ByteBudget budget_{1000, 100};
  Distributor distributor_{&table_, &budget_, &clock_};
};

TEST_F(DistributorTest, APassGivesAllThatWaitWhatTheirPoolsHave) {
  FakeClaimant a, b;
  Join(&a, "first/one", 5000);
  Join(&b, "second/two", 5000);
  second_.available = 3000;
  EXPECT_TRUE(distributor_.more());
  Pass();
  EXPECT_EQ(a.planned, 5000u);
  EXPECT_EQ(b.planned, 3000u);
  EXPECT_EQ(distributor_.charged_bytes(), 8000u);
  EXPECT_TRUE(distributor_.more()) << "the pool's stock is untouched: plans are counts";
  second_.available = 0;
  EXPECT_FALSE(distributor_.more());
  second_.available = 1;
  EXPECT_TRUE(distributor_.more()) << "bytes that came during the pass";
}

TEST_F(DistributorTest, WhoTakesNothingIsParkedUntilItIsUnparked) {
  FakeClaimant claimant;
  claimant.room = 100;
  Join(&claimant, "first/one", 5000);
  Pass();
  EXPECT_EQ(claimant.planned, 100u);
  EXPECT_TRUE(claimant.parked());
  EXPECT_FALSE(distributor_.more());
  const int offers = claimant.offers;
  claimant.room = 10'000;
  Pass();
  EXPECT_EQ(claimant.offers, offers);
  claimant.Unpark(clock_.NowNanos());
  EXPECT_TRUE(distributor_.more());
  Pass();
  EXPECT_EQ(claimant.planned, 5000u);
  EXPECT_FALSE(claimant.parked());
}

TEST_F(DistributorTest, APoolThatIsNotReadyOrHasRefusedIsLeftOut) {
  FakeClaimant a, b;
  first_.state.phase = PoolState::Phase::kSuspended;
  Refresh();
  table_.slots()[1]->stopped = true;
  Join(&a, "first/one", 100);
  Join(&b, "second/one", 100);
  Pass();
  EXPECT_EQ(a.planned + b.planned, 0u);
  EXPECT_FALSE(distributor_.more());
  EXPECT_EQ(distributor_.NextEventNanos(clock_.NowNanos()), kNever);
  first_.state.phase = PoolState::Phase::kServing;
  table_.Refresh(/*retry=*/true);
  Pass();
  EXPECT_EQ(a.planned, 100u);
  EXPECT_EQ(b.planned, 100u);
}

TEST_F(DistributorTest, WhileThereIsRoomThatSomebodyWaitsForThereIsMoreToDo) {
  FakeClaimant claimant;
  Waiter waiter(&claimant);
  ByteBudget::Reservation held(&budget_);
  held.Grow(1000);
  claimant.room = 0;
  Join(&claimant, "first/one", 100);
  Pass();
  ASSERT_TRUE(claimant.parked());
  budget_.Await(&waiter);
  EXPECT_FALSE(distributor_.more());
  held.GiveBack();
  EXPECT_TRUE(distributor_.more());
  claimant.room = 100;
  Pass();
  EXPECT_EQ(claimant.planned, 100u);
  EXPECT_FALSE(distributor_.more());
}

// Both want what is left of a common limit, and only the first can have it.
TEST_F(DistributorTest, PoolsTakeTurnsToBeFirst) {
  FakeClaimant a, b;
  Join(&a, "first/one", 1 << 20);
  Join(&b, "second/one", 1 << 20);
  std::string firsts;
  for (int pass = 0; pass < 6; ++pass) {
    for (FakeClaimant* claimant : {&a, &b}) {
      claimant->room = 1;
      claimant->Unpark(clock_.NowNanos());
    }
    Pass();
    firsts += a.offered_at < b.offered_at ? 'a' : 'b';
  }
  EXPECT_TRUE(firsts == "ababab" || firsts == "bababa") << firsts;
}

TEST_F(DistributorTest, TimersLieOnTheGridAndNeverInThePast) {
  FakeClaimant claimant;
  ClassUpdate update;
  update.pool = "first";
  update.specs.resize(3);
  update.specs[0] = {.name = "root", .rate = 100 << 20};
  update.specs[1] = {.name = "one", .parent = "root", .rate = 1 << 10, .ceil = 64 << 10};
  update.specs[2] = {.name = "two", .parent = "root", .rate = 1 << 10};
  ASSERT_TRUE(table_.Update(update, clock_.NowNanos()).ok());
  Join(&claimant, "first/one", 1 << 20);
  Pass();
  const int64_t next = distributor_.NextEventNanos(clock_.NowNanos());
  EXPECT_GT(next, clock_.NowNanos());
  EXPECT_LT(next, clock_.NowNanos() + kSecondNanos);
  EXPECT_EQ(next % Distributor::kTimerGridNanos, 0);
  clock_.AdvanceNanos(next - clock_.NowNanos());
  const uint32_t before = claimant.planned;
  Pass();
  EXPECT_GT(claimant.planned, before);
}

}  // namespace
}  // namespace entropyd
