// A channel without a session: the test plays the dispatcher and the peer.
#include "server/attach/channel.h"

#include <string>

#include "gtest/gtest.h"
#include "server/dispatch/class_table.h"
#include "tests/server/dispatch/fake_claimant.h"

namespace entropyd {
namespace {

class ChannelTest : public ::testing::Test, public Outbox::Owner {
 protected:
  static constexpr uint64_t kMaxCredit = 1000;

  ChannelTest() { table_.Refresh(false); }

  void OnSomethingToSend() override { ++announced_; }
  void OnRoom(int64_t) override {}

  Leaf* leaf() { return table_.FindLeaf("pool/one"); }
  // What its pool and its class tell it.
  Claimant* claimant() { return &channel_; }
  static v1::Line LineOf(uint64_t limit, uint64_t received) {
    v1::Line line;
    line.set_channel(7);
    line.set_limit(limit);
    line.set_received(received);
    return line;
  }
  absl::StatusCode Credit(uint64_t limit, uint64_t received) {
    return channel_.Credit(LineOf(limit, received), kMaxCredit).code();
  }
  // So many bytes leave in a message of their own, with all news.
  uint32_t Send(uint32_t bytes) {
    EXPECT_EQ(channel_.Plan(bytes), bytes);
    EXPECT_TRUE(outbox_.StartMessage());
    const uint32_t drawn = channel_.Drawn();
    if (channel_.state_due()) Told();
    EXPECT_TRUE(outbox_.Seal(0));
    outbox_.WriteEnded(0);
    return drawn;
  }
  v1::ChannelState Told() {
    EXPECT_TRUE(channel_.state_due());
    v1::ChannelState state;
    channel_.TellState(&state);
    EXPECT_FALSE(channel_.state_due());
    return state;
  }

  int announced_ = 0;
  FakePool pool_{"pool"};
  ClassTable table_{SetupsOf({&pool_})};
  PayloadBudgets budgets_{10'000, 300};
  Outbox outbox_{300, &budgets_, this};
  Deliveries sum_;
  const std::string identity_ = "spiffe://test/agent";
  Channel channel_{7, "pool/one", identity_, &outbox_, &sum_};
};

TEST_F(ChannelTest, ANewOneWaitsNowhereAndItsStateIsDue) {
  EXPECT_EQ(channel_.leaf(), nullptr);
  EXPECT_EQ(channel_.want(), 0u);
  EXPECT_TRUE(channel_.state_due());
  EXPECT_EQ(announced_, 1);
}

TEST_F(ChannelTest, CreditThatBreaksTheRulesIsRefusedAndChangesNothing) {
  channel_.Join(leaf());
  ASSERT_EQ(Credit(600, 0), absl::StatusCode::kOk);
  ASSERT_EQ(Send(200), 200u);
  ASSERT_EQ(Credit(600, 100), absl::StatusCode::kOk);
  EXPECT_EQ(Credit(599, 100), absl::StatusCode::kInvalidArgument) << "the limit goes back";
  EXPECT_EQ(Credit(600, 99), absl::StatusCode::kInvalidArgument) << "what was received goes back";
  EXPECT_EQ(Credit(900, 201), absl::StatusCode::kInvalidArgument) << "more than was sent";
  EXPECT_EQ(Credit(100 + kMaxCredit + 1, 100), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(channel_.want(), 400u);
  EXPECT_EQ(sum_.unconfirmed(), 100u);
  EXPECT_EQ(Credit(100 + kMaxCredit, 100), absl::StatusCode::kOk);
}

TEST_F(ChannelTest, WhatIsPlannedIsNotWantedAndWhatIsDrawnIsUnconfirmed) {
  channel_.Join(leaf());
  ASSERT_EQ(Credit(500, 0), absl::StatusCode::kOk);
  EXPECT_EQ(channel_.Plan(200), 200u);
  EXPECT_EQ(channel_.planned(), 200u);
  EXPECT_EQ(channel_.want(), 300u);
  ASSERT_TRUE(outbox_.StartMessage());
  EXPECT_EQ(channel_.Drawn(), 200u);
  EXPECT_EQ(channel_.planned(), 0u);
  EXPECT_EQ(channel_.want(), 300u);
  EXPECT_EQ(sum_.unconfirmed(), 200u);
}

TEST_F(ChannelTest, APlanThatGotNothingIsLostAndTheDemandStays) {
  channel_.Join(leaf());
  ASSERT_EQ(Credit(500, 0), absl::StatusCode::kOk);
  ASSERT_EQ(channel_.Plan(200), 200u);
  channel_.DrawFailed(0);
  EXPECT_EQ(channel_.planned(), 0u);
  EXPECT_EQ(outbox_.planned(), 0u);
  EXPECT_EQ(channel_.wanted(), 500u);
  EXPECT_EQ(sum_.sent(), 0u);
}

TEST_F(ChannelTest, OnlyAPoolThatStoresNothingIsPlannedAheadOfAWrite) {
  FakePool stored("stored", v1::QUALITY_FULL);
  ClassTable table(SetupsOf({&stored}));
  Channel full(8, "stored/one", identity_, &outbox_, &sum_);
  channel_.Join(leaf());
  full.Join(table.FindLeaf("stored/one"));
  ASSERT_TRUE(outbox_.StartMessage());
  ASSERT_TRUE(outbox_.Seal(0));  // the states, on their way
  EXPECT_EQ(full.Plan(100), 0u);
  EXPECT_EQ(channel_.Plan(100), 100u);
  full.End();
}

TEST_F(ChannelTest, ItHasThePhaseOfItsPoolAndSaysWhy) {
  channel_.Join(leaf());
  v1::ChannelState state = Told();
  EXPECT_EQ(state.channel(), 7u);
  EXPECT_EQ(state.phase(), v1::PHASE_OPEN);
  EXPECT_EQ(state.quality(), v1::QUALITY_DRBG);
  EXPECT_EQ(state.rate(), leaf()->rate);
  EXPECT_EQ(state.ceil(), 0u) << "none";
  PoolState& pool = leaf()->slot->state;
  pool.phase = PoolState::Phase::kSuspended;
  pool.reason = PoolState::Reason::kSeedWornOut;
  claimant()->OnPool(pool, /*discard=*/false);
  EXPECT_EQ(channel_.phase(), Channel::Phase::kSuspended);
  state = Told();
  EXPECT_EQ(state.phase(), v1::PHASE_SUSPENDED);
  EXPECT_EQ(state.code(), static_cast<uint32_t>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(state.reason(), pool.Text());
  EXPECT_FALSE(state.discard_buffered());
}

TEST_F(ChannelTest, ADiscardIsToldOnceAndNotForgottenBetween) {
  channel_.Join(leaf());
  claimant()->OnPool(leaf()->slot->state, /*discard=*/true);
  claimant()->OnFigures(1, 2);
  EXPECT_TRUE(Told().discard_buffered());
  claimant()->OnFigures(1, 2);
  EXPECT_FALSE(Told().discard_buffered());
}

TEST_F(ChannelTest, ARefusedOneSaysWhyAndOneThatThePeerClosesDoesNot) {
  Channel refused(8, "pool/none", identity_, &outbox_, &sum_);
  refused.Refuse({.cause = ClassRefusal::Cause::kUnknown});
  v1::ChannelState state;
  refused.TellState(&state);
  EXPECT_EQ(state.phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(state.code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_NE(state.reason(), "");
  channel_.Join(leaf());
  channel_.Close();
  state = Told();
  EXPECT_EQ(state.phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(state.code(), 0u);
  EXPECT_EQ(state.reason(), "");
  channel_.Close();
  EXPECT_FALSE(channel_.state_due()) << "a second one changes nothing";
}

TEST_F(ChannelTest, WhateverEndsItGivesThePlanBackAndLeavesTheLeaf) {
  for (const auto& end : {+[](Channel* c) { c->Close(); }, +[](Channel* c) { c->End(); },
                          +[](Channel* c) { c->Expel({.cause = ClassRefusal::Cause::kUnknown}); },
                          +[](Channel* c) { static_cast<Claimant*>(c)->OnRemoval(); }}) {
    Channel channel(8, "pool/one", identity_, &outbox_, &sum_);
    channel.Join(leaf());
    ASSERT_TRUE(channel.Credit(LineOf(500, 0), kMaxCredit).ok());
    ASSERT_EQ(channel.Plan(200), 200u);
    end(&channel);
    EXPECT_EQ(channel.planned(), 0u);
    EXPECT_EQ(outbox_.planned(), 0u);
    EXPECT_EQ(channel.leaf(), nullptr);
    EXPECT_TRUE(leaf()->members.empty());
  }
}

TEST_F(ChannelTest, AClosedOneCountsWhatWasReceivedAndWantsNoMore) {
  channel_.Join(leaf());
  ASSERT_EQ(Credit(500, 0), absl::StatusCode::kOk);
  ASSERT_EQ(Send(200), 200u);
  channel_.Expel({.cause = ClassRefusal::Cause::kRemoved});
  const uint64_t want = channel_.want();
  EXPECT_EQ(Credit(900, 200), absl::StatusCode::kOk) << "the line crossed CLOSED on its way";
  EXPECT_EQ(sum_.unconfirmed(), 0u);
  EXPECT_EQ(channel_.want(), want);
}

TEST_F(ChannelTest, GuestsWeighAsManyAsTheRulesAllow) {
  channel_.Join(leaf(), /*max_weight=*/10);
  v1::Line line = LineOf(1, 0);
  line.set_guests(kMaxGuests + 1);
  ASSERT_TRUE(channel_.Credit(line, kMaxCredit).ok());
  EXPECT_EQ(channel_.guests(), kMaxGuests) << "the number is the peer's word";
  EXPECT_EQ(channel_.waiting_guests(), 10u) << "an old agent does not say how many wait";
  channel_.SetMaxWeight(20);
  EXPECT_EQ(channel_.waiting_guests(), 20u);
  line.set_waiting_guests(3);
  ASSERT_TRUE(channel_.Credit(line, kMaxCredit).ok());
  EXPECT_EQ(channel_.waiting_guests(), 3u);
}

}  // namespace
}  // namespace entropyd
