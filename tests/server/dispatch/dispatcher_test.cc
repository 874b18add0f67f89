// What both sides say on one Attach stream.

#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

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

// Deadlines and passes have their turn, however much mail there is.
TEST_F(DispatcherTest, MailIsHandledForTwoMillisecondsAtATime) {
  int handled = 0;
  for (int i = 0; i < 10; ++i) {
    dispatcher_->mailbox().Post(new Command([&](int64_t) {
                                  ++handled;
                                  clock_.AdvanceNanos(kMilli);
                                }),
                                1);
  }
  dispatcher_->Step(clock_.NowNanos());
  EXPECT_EQ(handled, 2);
  EXPECT_FALSE(dispatcher_->mailbox().TryRelease());
  Run();
  EXPECT_EQ(handled, 10);
}

}  // namespace
}  // namespace entropyd
