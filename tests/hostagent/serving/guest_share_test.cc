#include "hostagent/serving/guest_share.h"

#include <memory>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

class GuestShareTest : public testing::Test {
 protected:
  struct Connection {
    explicit Connection(ClassBuffer* buffer) : member(buffer) {}
    FakeMember member;
    GuestShare::Id id = 0;
  };
  // A guest with so many connections.
  struct Guest {
    Guest(FairQueue* queue, ClassBuffer* buffer, size_t n) : share(queue), all(n) {
      for (std::unique_ptr<Connection>& c : all) {
        c = std::make_unique<Connection>(buffer);
        c->id = share.Add(&c->member);
      }
    }
    uint64_t delivered() const {
      uint64_t sum = 0;
      for (const std::unique_ptr<Connection>& c : all) sum += c->member.delivered;
      return sum;
    }
    void Ask(uint64_t bytes_of_each) {
      for (const std::unique_ptr<Connection>& c : all) Ask(c.get(), bytes_of_each);
    }
    void Ask(Connection* c, uint64_t bytes) {
      c->member.wanted += bytes;
      share.Touch(c->id);
    }
    FakeMember& member(size_t i) { return all[i]->member; }

    GuestShare share;
    std::vector<std::unique_ptr<Connection>> all;
  };

  void Make(uint64_t guest_ceil = ClassTree::kUnlimited) {
    queue_ = std::make_unique<FairQueue>(&buffer_, guest_ceil);
  }
  std::unique_ptr<Guest> Join(size_t connections) {
    return std::make_unique<Guest>(queue_.get(), &buffer_, connections);
  }

  FakeBuffer buffer_;
  std::unique_ptr<FairQueue> queue_;
};

TEST_F(GuestShareTest, ConnectionsThatAlwaysWantAnotherPassTakeTurns) {
  Make();
  constexpr size_t kConnections = 3 * GuestShare::kUngrantedPerPass;
  auto guest = Join(kConnections);
  for (size_t i = 0; i < kConnections; ++i) guest->member(i).endless = true;
  guest->Ask(0);
  for (int round = 1; round <= 3; ++round) {
    for (int pass = 1; pass <= 3; ++pass) {
      guest->share.Want();
      EXPECT_EQ(guest->share.Deliver(), FairQueue::After::kAgain);
      uint32_t deliveries = 0;
      for (size_t i = 0; i < kConnections; ++i) deliveries += guest->member(i).deliveries;
      EXPECT_EQ(deliveries, (round - 1) * kConnections + pass * GuestShare::kUngrantedPerPass);
    }
    for (size_t i = 0; i < kConnections; ++i) EXPECT_EQ(guest->member(i).deliveries, round);
  }
}

TEST_F(GuestShareTest, AGuestGetsAllThatItsConnectionsWant) {
  Make();
  buffer_.Fill(100'000);
  const auto guest = Join(3);
  guest->Ask(9'000);
  queue_->Serve(0);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(guest->member(i).delivered, 9'000u);
  EXPECT_EQ(queue_->owed(), 0u);
  EXPECT_FALSE(queue_->pending());
}

TEST_F(GuestShareTest, ConnectionsBuyNoShare) {
  Make();
  const auto one = Join(1);
  const auto many = Join(20);
  one->Ask(10'000'000);
  many->Ask(10'000'000);
  for (int i = 1; i <= 500; ++i) {
    buffer_.Fill(2'048);
    queue_->Serve(i * kMillisecondNanos);
  }
  EXPECT_GT(one->delivered(), 500'000u);
  EXPECT_NEAR(static_cast<double>(one->delivered()) / static_cast<double>(many->delivered()), 1,
              0.01);
}

TEST_F(GuestShareTest, ConnectionsOfAGuestTakeTurns) {
  Make();
  const auto guest = Join(4);
  guest->Ask(10'000'000);
  for (int i = 1; i <= 400; ++i) {
    buffer_.Fill(2'048);
    queue_->Serve(i * kMillisecondNanos);
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(static_cast<double>(guest->member(i).delivered),
                static_cast<double>(guest->delivered()) / 4, 8'192);
  }
}

TEST_F(GuestShareTest, OneGrantIsDividedAmongTheConnectionsThatWant) {
  Make();
  const auto guest = Join(2);
  guest->Ask(guest->all[0].get(), 1'000'000);
  guest->Ask(guest->all[1].get(), FairQueue::kChunkBytes / 2);
  buffer_.Fill(FairQueue::kChunkBytes);
  queue_->Serve(0);
  EXPECT_EQ(guest->member(0).delivered, FairQueue::kChunkBytes / 2);
  EXPECT_EQ(guest->member(1).delivered, FairQueue::kChunkBytes / 2);
}

TEST_F(GuestShareTest, AnEagerConnectionLeavesEachGrantToTheOthers) {
  Make(10'000);
  buffer_.Fill(1'000'000);
  const auto guest = Join(2);
  guest->Ask(guest->all[0].get(), 1'000'000);
  queue_->Serve(0);
  for (int i = 1; i <= 100; ++i) {
    guest->Ask(guest->all[1].get(), 32);
    queue_->Serve(i * kSecondNanos);
    EXPECT_EQ(guest->member(1).delivered, 32u * static_cast<uint64_t>(i));
  }
}

TEST_F(GuestShareTest, AConnectionKnowsWhetherOthersOfItsGuestWait) {
  Make();
  const auto guest = Join(2);
  const auto other = Join(1);
  other->Ask(100);
  guest->Ask(guest->all[0].get(), 100);
  queue_->Serve(0);
  EXPECT_FALSE(guest->share.OthersWait(guest->all[0]->id));
  EXPECT_TRUE(guest->share.OthersWait(guest->all[1]->id));
  buffer_.Fill(10'000);
  queue_->Serve(1);
  EXPECT_FALSE(guest->share.OthersWait(guest->all[1]->id));
}

// While nothing is there, nobody has a turn. Each that waits for one makes the others' smaller.
TEST_F(GuestShareTest, ThoseThatComeAskAndGoLeaveNoTurns) {
  Make();
  const auto guest = Join(1);
  FakeMember other(&buffer_);
  for (int i = 0; i < 1'000; ++i) {
    const GuestShare::Id id = guest->share.Add(&other);
    other.wanted = 64;
    guest->share.Touch(id);
    queue_->Serve(i);
    guest->share.Remove(id, i);
    queue_->Serve(i);
  }
  guest->Ask(FairQueue::kChunkBytes);
  buffer_.Fill(FairQueue::kChunkBytes);
  queue_->Serve(1'000);
  EXPECT_EQ(guest->member(0).delivered, FairQueue::kChunkBytes);
  EXPECT_EQ(guest->member(0).offers, 1) << "all of it in one turn";
}

TEST_F(GuestShareTest, AGuestHasOneCeilingAndOneBurst) {
  Make(10'000);
  buffer_.Fill(1'000'000);
  const auto guest = Join(20);
  guest->Ask(1'000'000);
  queue_->Serve(0);
  const uint64_t burst = guest->delivered();
  const auto one = Join(1);
  one->Ask(1'000'000);
  queue_->Serve(0);
  EXPECT_EQ(burst, one->delivered());
  for (int i = 1; i <= 200; ++i) {
    buffer_.Fill(5'000);
    queue_->Serve(i * kSecondNanos / 10);
  }
  EXPECT_NEAR(static_cast<double>(guest->delivered() - burst), 200'000, 2'000);
}

TEST_F(GuestShareTest, WhoConnectsAgainFindsTheBucketAsItWas) {
  Make(10'000);
  buffer_.Fill(1'000'000);
  const auto guest = Join(1);
  guest->Ask(1'000'000);
  queue_->Serve(0);
  const uint64_t burst = guest->delivered();
  EXPECT_GT(burst, 0u);
  for (int i = 0; i < 100; ++i) {
    guest->share.Remove(guest->all[0]->id, 0);
    queue_->Serve(0);
    EXPECT_EQ(queue_->connections(), 0u);
    guest->all[0]->id = guest->share.Add(&guest->member(0));
    guest->share.Touch(guest->all[0]->id);
    queue_->Serve(0);
  }
  EXPECT_EQ(guest->delivered(), burst);
}

TEST_F(GuestShareTest, AGuestHasOneVoteAndCountsItsConnections) {
  Make();
  const auto many = Join(20);
  const auto one = Join(1);
  many->Ask(100);
  one->Ask(100);
  queue_->Serve(0);
  EXPECT_EQ(queue_->waiting_members(), 2u);
  EXPECT_EQ(queue_->members(), 2u);
  EXPECT_EQ(queue_->connections(), 21u);
}

TEST_F(GuestShareTest, WhoHasNoConnectionWantsAndCountsNothing) {
  Make();
  const auto guest = Join(2);
  guest->Ask(1'000);
  queue_->Serve(0);
  EXPECT_EQ(queue_->owed(), 2'000u);
  for (const auto& c : guest->all) guest->share.Remove(c->id, 0);
  queue_->Serve(0);
  EXPECT_EQ(queue_->owed(), 0u);
  EXPECT_EQ(queue_->members(), 0u);
  EXPECT_EQ(queue_->waiting_members(), 0u);
  buffer_.Fill(1'000);
  queue_->Serve(1);
  EXPECT_EQ(guest->delivered(), 0u);
  guest->share.LeaveQueue(2);
}

TEST_F(GuestShareTest, WhatALeaverWantedIsNotOwed) {
  Make();
  const auto guest = Join(2);
  guest->Ask(1'000);
  queue_->Serve(0);
  guest->share.Remove(guest->all[0]->id, 0);
  queue_->Serve(0);
  EXPECT_EQ(queue_->owed(), 1'000u);
  buffer_.Fill(5'000);
  queue_->Serve(1);
  EXPECT_EQ(guest->member(0).delivered, 0u);
  EXPECT_EQ(guest->member(1).delivered, 1'000u);
}

TEST_F(GuestShareTest, AConnectionThatReadsNothingHoldsNoOtherUp) {
  Make();
  const auto guest = Join(2);
  guest->member(0).block_after = 1;
  guest->Ask(10'000);
  buffer_.Fill(100'000);
  queue_->Serve(0);
  const uint64_t before = guest->member(0).delivered;
  EXPECT_LT(before, 10'000u);
  EXPECT_EQ(guest->member(1).delivered, 10'000u);
  EXPECT_EQ(queue_->owed(), 0u) << "what nobody reads is not waited for";
  guest->member(0).blocked = false;
  guest->member(0).block_after = 0;
  guest->share.Resume(guest->all[0]->id);
  queue_->Serve(1);
  EXPECT_EQ(guest->member(0).delivered, 10'000u);
}

TEST_F(GuestShareTest, AConnectionMayLeaveWhileItIsServed) {
  Make();
  const auto guest = Join(3);
  for (size_t i = 0; i < 3; ++i) {
    guest->member(i).on_deliver = [&guest] {
      if (guest->share.connections() == 3) guest->share.Remove(guest->all[2]->id, 0);
    };
  }
  guest->Ask(guest->all[0].get(), 1'000);
  guest->Ask(guest->all[1].get(), 1'000);
  buffer_.Fill(10'000);
  queue_->Serve(0);
  EXPECT_EQ(guest->member(0).delivered, 1'000u);
  EXPECT_EQ(guest->member(1).delivered, 1'000u);
  EXPECT_EQ(guest->share.connections(), 2u);
  EXPECT_EQ(queue_->connections(), 2u);
}

TEST_F(GuestShareTest, APlaceThatIsTakenAgainOwesNothingOfItsFormerUser) {
  Make();
  const auto guest = Join(2);
  guest->Ask(1'000);
  queue_->Serve(0);  // nothing is there; both wait in their turns
  guest->share.Remove(guest->all[0]->id, 0);
  FakeMember next(&buffer_);
  const GuestShare::Id id = guest->share.Add(&next);
  EXPECT_EQ(id, guest->all[0]->id);
  buffer_.Fill(5'000);
  queue_->Serve(1);
  EXPECT_EQ(next.delivered, 0u);
  next.wanted = 10;
  guest->share.Touch(id);
  queue_->Serve(2);
  EXPECT_EQ(next.delivered, 10u);
  EXPECT_EQ(guest->member(1).delivered, 1'000u);
}

TEST_F(GuestShareTest, ThrottledTimeIsCountedOnceForAGuest) {
  Make(1'000);
  buffer_.Fill(1'000'000);
  const auto guest = Join(3);
  guest->Ask(1'000'000);
  queue_->Serve(0);
  queue_->Serve(2 * kSecondNanos);
  const auto sum = [&](int64_t now) {
    int64_t nanos = 0;
    for (const auto& c : guest->all) nanos += guest->share.throttled_nanos(c->id, now);
    return nanos;
  };
  EXPECT_NEAR(static_cast<double>(sum(2 * kSecondNanos)), 2e9, 1e8);
  // The one that stood for the guest leaves. What it has counted is its own. The next one begins.
  const int64_t had = guest->share.throttled_nanos(guest->all[0]->id, 3 * kSecondNanos);
  guest->share.Remove(guest->all[0]->id, 3 * kSecondNanos);
  int64_t rest = 0;
  for (size_t i = 1; i < 3; ++i) {
    rest += guest->share.throttled_nanos(guest->all[i]->id, 5 * kSecondNanos);
  }
  EXPECT_NEAR(static_cast<double>(had + rest), 5e9, 1e8);
}

TEST_F(GuestShareTest, ARequestIsServedAtOnceThroughAShare) {
  Make();
  buffer_.low_water = 500;
  buffer_.Fill(10'000);
  const auto guest = Join(2);
  guest->member(1).wanted = 64;
  EXPECT_TRUE(guest->share.ServeAtOnce(guest->all[1]->id, 0));
  EXPECT_EQ(guest->member(1).delivered, 64u);
  EXPECT_EQ(guest->member(0).deliveries, 0);
}

TEST_F(GuestShareTest, TokensOfAnotherProcessAreNoFullBucket) {
  Make(10'000);
  buffer_.Fill(1'000'000);
  GuestShare share(queue_.get(), 0, 0);
  FakeMember member(&buffer_);
  const GuestShare::Id id = share.Add(&member);
  member.wanted = 100'000;
  share.Touch(id);
  queue_->Serve(0);
  EXPECT_LE(member.delivered, 64u);  // the floor's
}

}  // namespace
}  // namespace entropyd
