#include "hostagent/serving/fair_queue.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/serving/fake_member.h"

namespace entropyd {
namespace {

class FairQueueTest : public testing::Test {
 protected:
  void Make(uint64_t guest_ceil = ClassTree::kUnlimited) {
    tree_ = std::make_unique<FairQueue>(&buffer_, guest_ceil);
  }
  FairQueue::Id Join(FakeMember* member) { return tree_->Add(member); }
  void Ask(FairQueue::Id id, FakeMember* member, uint64_t bytes) {
    member->wanted += bytes;
    tree_->Touch(id);
  }

  FakeBuffer buffer_;
  std::unique_ptr<FairQueue> tree_;
};

TEST_F(FairQueueTest, GivesWhatIsWantedAndNoMore) {
  Make();
  buffer_.Fill(10'000);
  FakeMember guest(&buffer_);
  Ask(Join(&guest), &guest, 9'000);
  EXPECT_TRUE(tree_->pending());
  tree_->Serve(0);
  EXPECT_EQ(guest.delivered, 9'000u);  // in several plans
  EXPECT_EQ(buffer_.level(), 1'000u);
  EXPECT_EQ(tree_->owed(), 0u);
  EXPECT_FALSE(tree_->pending());
}

TEST_F(FairQueueTest, ATurnGivesNoMoreThanItsBudgetWhateverIsThere) {
  Make();
  buffer_.Fill(1 << 20);
  FakeMember greedy(&buffer_), late(&buffer_);
  greedy.plan_size = 16 * 1024;  // the bytes end the turn before the passes do
  const FairQueue::Id late_id = Join(&late);
  Ask(Join(&greedy), &greedy, 1'000'000);
  for (uint64_t turn = 1; turn <= 3; ++turn) {
    tree_->Serve(0);
    EXPECT_EQ(greedy.delivered, turn * ServeBudget::kBytes);
    EXPECT_TRUE(tree_->unfinished());
  }
  Ask(late_id, &late, 64);
  tree_->Serve(0);
  EXPECT_EQ(late.delivered, 64u) << "waits for a greedy one beyond the turn";
  int turns = 4;
  for (; tree_->unfinished(); ++turns) tree_->Serve(0);
  EXPECT_EQ(greedy.delivered, 1'000'000u);
  EXPECT_EQ(turns, 8);
}

TEST_F(FairQueueTest, QueuesShareATurnAndEachHasTheLeast) {
  Make();
  buffer_.Fill(1 << 20);
  FakeMember greedy(&buffer_);
  greedy.plan_size = 16 * 1024;
  Ask(Join(&greedy), &greedy, 1'000'000);
  tree_->Serve(0, 4);
  EXPECT_EQ(greedy.delivered, ServeBudget::kBytes / 4);
  greedy.delivered = 0;
  tree_->Serve(0, 1'000);
  EXPECT_EQ(greedy.delivered, ServeBudget::kMinBytes);
}

TEST_F(FairQueueTest, PoliteMembersWaitNoTurnBesideAGreedyOne) {
  Make();
  buffer_.Fill(1 << 20);
  FakeMember greedy(&buffer_);
  Ask(Join(&greedy), &greedy, 1'000'000);
  std::vector<std::unique_ptr<FakeMember>> polite;
  for (int i = 0; i < 50; ++i) polite.push_back(std::make_unique<FakeMember>(&buffer_));
  std::vector<FairQueue::Id> ids;
  for (const auto& member : polite) ids.push_back(Join(member.get()));
  tree_->Serve(0);
  for (size_t i = 0; i < polite.size(); ++i) Ask(ids[i], polite[i].get(), 16);
  tree_->Serve(0);
  for (const auto& member : polite) EXPECT_EQ(member->delivered, 16u);
}

TEST_F(FairQueueTest, AMemberThatAlwaysWantsAnotherPassEndsNoTurnOfOthers) {
  Make();
  FakeMember endless(&buffer_), polite(&buffer_);
  const FairQueue::Id endless_id = Join(&endless);
  const FairQueue::Id polite_id = Join(&polite);
  endless.endless = true;
  tree_->Touch(endless_id);
  tree_->Serve(0);
  constexpr uint32_t kPasses = ServeBudget::kVisits / (1 + ServeBudget::kAgainVisits);
  EXPECT_EQ(endless.deliveries, static_cast<int>(kPasses)) << "it may write 16 KiB in each";
  EXPECT_TRUE(tree_->unfinished());
  tree_->Touch(polite_id);
  tree_->Serve(0);
  EXPECT_EQ(polite.deliveries, 1);
}

TEST_F(FairQueueTest, AFloodOfMembersIsVisitedInTurns) {
  Make();
  constexpr int kMembers = 1'000;
  std::vector<std::unique_ptr<FakeMember>> members;
  for (int i = 0; i < kMembers; ++i) members.push_back(std::make_unique<FakeMember>(&buffer_));
  for (const auto& member : members) Ask(Join(member.get()), member.get(), 1);
  buffer_.Fill(1 << 20);
  const auto served = [&] {
    return std::count_if(members.begin(), members.end(),
                         [](const auto& member) { return member->delivered == 1; });
  };
  tree_->Serve(0);
  EXPECT_EQ(served(), int64_t{ServeBudget::kVisits});
  int turns = 1;
  for (; tree_->unfinished(); ++turns) tree_->Serve(0);
  EXPECT_EQ(served(), kMembers);
  EXPECT_EQ(turns, 4);
}

TEST_F(FairQueueTest, WhoMayHaveNothingMakesNoTurn) {
  constexpr uint64_t kCeil = 1024;
  Make(kCeil);
  buffer_.Fill(1 << 20);
  FakeMember guest(&buffer_);
  Ask(Join(&guest), &guest, 1 << 20);
  tree_->Serve(0);
  tree_->Serve(0);
  EXPECT_GT(tree_->owed(), 0u);
  EXPECT_FALSE(tree_->unfinished());
}

TEST_F(FairQueueTest, WhatIsMissingStaysOwedUntilItArrives) {
  Make();
  buffer_.Fill(100);
  FakeMember guest(&buffer_);
  Ask(Join(&guest), &guest, 255);
  tree_->Serve(0);
  EXPECT_EQ(guest.delivered, 100u);
  EXPECT_EQ(tree_->owed(), 155u);
  buffer_.Fill(1'000);
  tree_->Serve(kMillisecondNanos);
  EXPECT_EQ(guest.delivered, 255u);
}

TEST_F(FairQueueTest, AGreedyGuestTakesOnlyWhatAPoliteOneLeaves) {
  Make();
  FakeMember greedy(&buffer_);
  FakeMember polite(&buffer_);
  Ask(Join(&greedy), &greedy, 100'000'000);  // it was there first, and asked for all
  const FairQueue::Id polite_id = Join(&polite);
  tree_->Serve(0);
  uint64_t polite_asked = 0;
  for (int i = 1; i <= 1'000; ++i) {
    Ask(polite_id, &polite, 64);
    polite_asked += 64;
    buffer_.Fill(256);
    tree_->Serve(i * kMillisecondNanos);
    // At first the bytes to be held back must come.
    EXPECT_LE(polite_asked - polite.delivered, i <= 10 ? 256u : 64u);
  }
  EXPECT_GE(polite.delivered, polite_asked - 64);
  EXPECT_EQ(buffer_.level(), HeldBack::kMax);
  EXPECT_EQ(polite.delivered + greedy.delivered + buffer_.level(), 256'000u);
}

TEST_F(FairQueueTest, WhoWaitsGetsWhatIsHeldBackWhenNothingArrives) {
  Make();
  FakeMember one(&buffer_), two(&buffer_);
  Ask(Join(&one), &one, 100'000);
  Ask(Join(&two), &two, 100'000);
  tree_->Serve(0);
  buffer_.Fill(8'192);
  tree_->Serve(kMillisecondNanos);
  EXPECT_EQ(buffer_.level(), HeldBack::kMax);
  tree_->Serve(kMillisecondNanos + HeldBack::kArrivalPatienceNanos - 1);
  EXPECT_EQ(buffer_.level(), HeldBack::kMax);
  tree_->Serve(kMillisecondNanos + HeldBack::kArrivalPatienceNanos);
  EXPECT_EQ(buffer_.level(), 0u);
  EXPECT_EQ(one.delivered + two.delivered, 8'192u);
}

TEST_F(FairQueueTest, BackloggedGuestsShareEqually) {
  Make();
  std::vector<std::unique_ptr<FakeMember>> guests;
  for (int i = 0; i < 20; ++i) {
    guests.push_back(std::make_unique<FakeMember>(&buffer_));
    Ask(Join(guests.back().get()), guests.back().get(), 1'000'000 * (i + 1));
  }
  for (int i = 0; i < 500; ++i) {
    buffer_.Fill(4'000);
    tree_->Serve(i * kMillisecondNanos);
  }
  for (const auto& guest : guests) {
    EXPECT_NEAR(static_cast<double>(guest->delivered), 100'000, FairQueue::kChunkBytes);
  }
}

TEST_F(FairQueueTest, ScarcityDoesNotFavourWhoAsksOften) {
  // Three guests share 4,000 B/s. In order of arrival one of them would get nearly all.
  Make();
  std::vector<std::unique_ptr<FakeMember>> guests;
  std::vector<FairQueue::Id> ids;
  for (int i = 0; i < 3; ++i) {
    guests.push_back(std::make_unique<FakeMember>(&buffer_));
    ids.push_back(Join(guests.back().get()));
  }
  for (int step = 0; step < 1'000; ++step) {
    for (int i = 0; i < 3; ++i) {
      // 1, 4 and 1,000 outstanding requests of 64 bytes.
      const uint64_t outstanding[] = {64, 256, 64'000};
      if (guests[i]->wanted < outstanding[i]) {
        Ask(ids[i], guests[i].get(), outstanding[i] - guests[i]->wanted);
      }
    }
    buffer_.Fill(40);
    tree_->Serve(step * 10 * kMillisecondNanos);
  }
  for (const auto& guest : guests)
    EXPECT_NEAR(static_cast<double>(guest->delivered), 13'333, 1'100);
}

TEST_F(FairQueueTest, AGuestsCeilingBindsAndTellsWhenItEnds) {
  constexpr uint64_t kCeil = 64 * 1024;
  Make(kCeil);
  buffer_.Fill(1 << 20);
  FakeMember guest(&buffer_);
  Ask(Join(&guest), &guest, 1 << 20);
  int64_t now = 0;
  tree_->Serve(now);
  const uint64_t burst = guest.delivered;
  EXPECT_GT(burst, 0u);
  EXPECT_LE(burst, 4u * FairQueue::kChunkBytes);
  while (now < 2 * kSecondNanos) {
    ASSERT_TRUE(tree_->NextEventNanos().has_value());
    ASSERT_GT(*tree_->NextEventNanos(), now);
    now = *tree_->NextEventNanos();
    tree_->Serve(now);
  }
  EXPECT_NEAR(static_cast<double>(guest.delivered - burst), 2.0 * kCeil,
              2.0 * FairQueue::kChunkBytes);
}

TEST_F(FairQueueTest, ABlockedGuestHoldsUpNobodyAndResumes) {
  Make();
  FakeMember stalled(&buffer_);
  FakeMember other(&buffer_);
  stalled.block_after = 1;
  const FairQueue::Id id = Join(&stalled);
  Ask(id, &stalled, 8'000);
  Ask(Join(&other), &other, 8'000);
  buffer_.Fill(16'000);
  tree_->Serve(0);
  EXPECT_EQ(other.delivered, 8'000u);
  EXPECT_EQ(stalled.delivered, 4'096u);  // one plan, then its socket was full
  EXPECT_EQ(tree_->owed(), 0u) << "a stalled reader must not make the buffer grow";

  stalled.blocked = false;
  stalled.block_after = 0;
  tree_->Resume(id, kMillisecondNanos);
  tree_->Serve(kMillisecondNanos);
  EXPECT_EQ(stalled.delivered, 8'000u);
}

// A greedy guest that wants for ever, and 100 bytes a millisecond that arrive.
class ScarceFairQueueTest : public FairQueueTest {
 protected:
  void Start() {
    Make();
    greedy_id_ = Join(&greedy_);
    polite_id_ = Join(&polite_);
    Ask(greedy_id_, &greedy_, 100'000'000);
    tree_->Serve(now_);
  }
  void Arrive(int times, size_t bytes = 100) {
    for (int i = 0; i < times; ++i) {
      now_ += kMillisecondNanos;
      buffer_.Fill(bytes);
      tree_->Serve(now_);
    }
  }

  FakeMember greedy_{&buffer_};
  FakeMember polite_{&buffer_};
  FairQueue::Id greedy_id_ = 0;
  FairQueue::Id polite_id_ = 0;
  int64_t now_ = kSecondNanos;
};

TEST_F(ScarceFairQueueTest, APoliteGuestNeverWaitsForAnArrival) {
  Start();
  Arrive(20);
  EXPECT_EQ(buffer_.level(), HeldBack::kMax);
  EXPECT_EQ(tree_->held_back(), HeldBack::kMax);
  for (int i = 1; i <= 100; ++i) {
    Arrive(20);
    Ask(polite_id_, &polite_, 64);
    tree_->Serve(now_);
    EXPECT_EQ(polite_.delivered, 64u * i);
  }
  // The greedy guest got all the rest, and the held-back bytes were refilled.
  Arrive(1);
  EXPECT_EQ(buffer_.level(), HeldBack::kMax);
  EXPECT_EQ(greedy_.delivered + polite_.delivered + buffer_.level(), 2021u * 100);
}

TEST_F(ScarceFairQueueTest, AskingAfterEachAnswerBringsNoMoreThanAnEqualShare) {
  Start();
  Arrive(20);
  const uint64_t before = greedy_.delivered;
  for (int i = 0; i < 10'000; ++i) {
    for (int again = 0; again < 3; ++again) {
      if (polite_.wanted == 0) Ask(polite_id_, &polite_, 255);
      tree_->Serve(now_);
    }
    Arrive(1);
  }
  // It lets some turns pass between an answer and the next request.
  const double ratio =
      static_cast<double>(polite_.delivered) / static_cast<double>(greedy_.delivered - before);
  EXPECT_LE(ratio, 1.01);
  EXPECT_GE(ratio, 0.95);
}

TEST_F(ScarceFairQueueTest, WhatIsHeldBackIsGivenWhenNothingArrivesAnyMore) {
  Start();
  Arrive(20);
  const uint64_t before = greedy_.delivered;
  now_ += HeldBack::kArrivalPatienceNanos - 1;
  tree_->Serve(now_);
  EXPECT_EQ(greedy_.delivered, before);
  now_ += 1;
  tree_->Serve(now_);
  EXPECT_EQ(greedy_.delivered, before + HeldBack::kMax);
  EXPECT_EQ(buffer_.level(), 0u);
  EXPECT_EQ(tree_->held_back(), 0u);
}

TEST_F(ScarceFairQueueTest, ALoneGuestIsGivenAll) {
  Start();
  tree_->Remove(polite_id_, now_);
  Arrive(20);
  EXPECT_EQ(greedy_.delivered, 2'000u);
  EXPECT_EQ(tree_->held_back(), 0u);
}

TEST_F(ScarceFairQueueTest, NothingIsHeldBackWhereThereIsEnough) {
  Make();
  const FairQueue::Id id = Join(&greedy_);
  Join(&polite_);
  for (int i = 0; i < 20; ++i) {
    Ask(id, &greedy_, 100);
    Arrive(1);
    EXPECT_EQ(tree_->held_back(), 0u);
  }
  EXPECT_EQ(greedy_.delivered, 2'000u);
}

TEST_F(FairQueueTest, OfASmallBufferAQuarterIsHeldBack) {
  FakeBuffer small("default/gold", 1'024);
  FairQueue tree(&small, ClassTree::kUnlimited);
  FakeMember greedy(&small), other(&small);
  tree.Add(&other);
  const FairQueue::Id id = tree.Add(&greedy);
  greedy.wanted = 1'000'000;
  tree.Touch(id);
  for (int i = 1; i <= 10; ++i) {
    small.Fill(100);
    tree.Serve(i * kMillisecondNanos);
  }
  EXPECT_EQ(small.level(), 256u);
}

TEST_F(FairQueueTest, WhoBeganToWaitBeforeAnArrivalIsServedFirstByIt) {
  Make();
  FakeMember greedy(&buffer_), late(&buffer_);
  Ask(Join(&greedy), &greedy, 1'000'000);
  const FairQueue::Id id = Join(&late);
  buffer_.Fill(100);
  tree_->Serve(kMillisecondNanos);
  Ask(id, &late, 64);
  tree_->Serve(2 * kMillisecondNanos);
  buffer_.Fill(64);
  tree_->Serve(3 * kMillisecondNanos);
  EXPECT_EQ(late.delivered, 64u);
}

TEST_F(FairQueueTest, CountsThoseWhoWaitOrDidAMomentAgo) {
  Make();
  FakeMember waiting(&buffer_), idle(&buffer_), leaving(&buffer_);
  const FairQueue::Id id = Join(&waiting);
  Join(&idle);
  tree_->Serve(kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 0u);
  Ask(id, &waiting, 64);
  const FairQueue::Id leaving_id = Join(&leaving);
  Ask(leaving_id, &leaving, 64);
  tree_->Serve(10 * kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 2u);
  tree_->Remove(leaving_id, 10 * kSecondNanos);
  tree_->Serve(100 * kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 1u) << "however long it waits";
  buffer_.Fill(64);
  tree_->Serve(100 * kSecondNanos);
  EXPECT_EQ(tree_->owed(), 0u);
  tree_->Serve(101 * kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 1u) << "it may ask again at once";
  tree_->Serve(102 * kSecondNanos);
  EXPECT_EQ(tree_->waiting_members(), 0u);
  EXPECT_EQ(tree_->members(), 2u);
}

TEST_F(FairQueueTest, AGuestThatLeavesTakesItsWantsAlong) {
  Make();
  FakeMember leaving(&buffer_);
  FakeMember staying(&buffer_);
  const FairQueue::Id id = Join(&leaving);
  Ask(id, &leaving, 500);
  Ask(Join(&staying), &staying, 300);
  tree_->Serve(0);
  EXPECT_EQ(tree_->owed(), 800u);
  EXPECT_EQ(tree_->members(), 2u);
  tree_->Remove(id, 0);
  EXPECT_EQ(tree_->owed(), 300u);
  EXPECT_EQ(tree_->members(), 1u);
  EXPECT_TRUE(tree_->pending());  // the class must report its new demand
  buffer_.Fill(1'000);
  tree_->Serve(0);
  EXPECT_EQ(leaving.delivered, 0u);
  EXPECT_EQ(staying.delivered, 300u);
}

TEST_F(FairQueueTest, GuestsMayLeaveWhileOthersAreServed) {
  Make();
  FakeMember first(&buffer_);
  FakeMember second(&buffer_);
  const FairQueue::Id first_id = Join(&first);
  const FairQueue::Id second_id = Join(&second);
  Ask(first_id, &first, 100);
  Ask(second_id, &second, 100);
  first.on_deliver = [&] { tree_->Remove(second_id, 0); };
  second.on_deliver = [] { FAIL() << "it has left"; };
  buffer_.Fill(200);
  tree_->Serve(0);
  EXPECT_EQ(first.delivered, 100u);
  EXPECT_EQ(tree_->members(), 1u);

  FakeMember third(&buffer_);  // may get the place of the one that left
  Ask(Join(&third), &third, 50);
  tree_->Serve(0);
  EXPECT_EQ(third.delivered, 50u);
}

TEST_F(FairQueueTest, ATouchedGuestMayReplyWithoutAnyBytes) {
  Make();
  FakeMember guest(&buffer_);
  const FairQueue::Id id = Join(&guest);
  tree_->Touch(id);
  tree_->Touch(id);
  tree_->Serve(0);
  EXPECT_EQ(guest.deliveries, 1);
  tree_->Serve(0);
  EXPECT_EQ(guest.deliveries, 1);
}

}  // namespace
}  // namespace entropyd
