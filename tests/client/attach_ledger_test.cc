#include "client/attach_ledger.h"

#include <string>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr uint64_t kMaxCredit = 4096;
constexpr uint64_t kMaxPayload = 1024;

ServerMessageView Message(uint64_t seq) {
  ServerMessageView message;
  message.head.set_seq(seq);
  return message;
}

ServerMessageView WelcomeMessage(uint64_t seq = 1) {
  ServerMessageView message = Message(seq);
  message.head.mutable_welcome()->set_version(kAttachVersion);
  message.head.mutable_welcome()->set_max_credit(kMaxCredit);
  message.head.mutable_welcome()->set_max_payload(kMaxPayload);
  return message;
}

void AddGrant(ServerMessageView* message, uint32_t channel, uint64_t offset, size_t bytes) {
  GrantView grant;
  grant.channel = channel;
  grant.offset = offset;
  grant.bytes = bytes;
  message->grants.push_back(grant);
}

void AddState(ServerMessageView* message, uint32_t channel, v1::Phase phase) {
  v1::ChannelState* state = message->head.add_state();
  state->set_channel(channel);
  state->set_phase(phase);
}

class AttachLedgerTest : public testing::Test {
 protected:
  // One open channel with `bytes` of credit told to the server.
  uint32_t Credited(uint64_t bytes) {
    EXPECT_TRUE(ledger_.Accept(WelcomeMessage()).ok());
    const uint32_t channel = ledger_.Open().value();
    EXPECT_TRUE(ledger_.Promise(channel, bytes));
    ledger_.TakeLine(channel, 1);
    return channel;
  }
  absl::StatusCode AcceptGrant(uint64_t seq, uint32_t channel, uint64_t offset, size_t bytes) {
    ServerMessageView message = Message(seq);
    AddGrant(&message, channel, offset, bytes);
    return ledger_.Accept(message).code();
  }

  AttachLedger ledger_;
};

TEST_F(AttachLedgerTest, ChannelsAreNumberedFromOneAndEndAfterSixtyFour) {
  for (uint32_t i = 1; i <= kMaxChannels; ++i) EXPECT_EQ(ledger_.Open().value(), i);
  EXPECT_EQ(ledger_.Open().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(AttachLedgerTest, TheFirstMessageMustBearAWelcome) {
  EXPECT_EQ(ledger_.Accept(Message(1)).code(), absl::StatusCode::kInvalidArgument);
}

// So did 0.1.0, and a server may send heartbeats to every agent.
TEST_F(AttachLedgerTest, AMessageWithNothingButItsSeqIsTakenAndCounted) {
  const uint32_t channel = Credited(100);
  EXPECT_TRUE(ledger_.Accept(Message(2)).ok());
  EXPECT_TRUE(ledger_.Accept(Message(3)).ok());
  EXPECT_EQ(ledger_.Find(channel)->received, 0u);
  EXPECT_EQ(ledger_.Accept(Message(3)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(AttachLedgerTest, ASecondWelcomeIsRefused) {
  ASSERT_TRUE(ledger_.Accept(WelcomeMessage(1)).ok());
  EXPECT_EQ(ledger_.Accept(WelcomeMessage(2)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, AWelcomeOfAnotherVersionOrWithoutCreditIsRefused) {
  ServerMessageView version = WelcomeMessage();
  version.head.mutable_welcome()->set_version(kAttachVersion + 1);
  EXPECT_EQ(AttachLedger().Accept(version).code(), absl::StatusCode::kInvalidArgument);
  ServerMessageView credit = WelcomeMessage();
  credit.head.mutable_welcome()->set_max_credit(0);
  EXPECT_EQ(AttachLedger().Accept(credit).code(), absl::StatusCode::kInvalidArgument);
  ServerMessageView payload = WelcomeMessage();
  payload.head.mutable_welcome()->set_max_payload(0);
  EXPECT_EQ(AttachLedger().Accept(payload).code(), absl::StatusCode::kInvalidArgument);
  payload.head.mutable_welcome()->set_max_payload(kAttachMaxPayload);
  EXPECT_TRUE(AttachLedger().Accept(payload).ok());
  // More than gRPC's receive limit lets through: each such message would end the stream.
  payload.head.mutable_welcome()->set_max_payload(kAttachMaxPayload + 1);
  EXPECT_EQ(AttachLedger().Accept(payload).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, AGapARepeatAndASequenceFromZeroAreDataLoss) {
  EXPECT_EQ(AttachLedger().Accept(WelcomeMessage(0)).code(), absl::StatusCode::kDataLoss);
  AttachLedger repeat;
  ASSERT_TRUE(repeat.Accept(WelcomeMessage(1)).ok());
  EXPECT_EQ(repeat.Accept(Message(1)).code(), absl::StatusCode::kDataLoss);
  AttachLedger gap;
  ASSERT_TRUE(gap.Accept(WelcomeMessage(1)).ok());
  EXPECT_EQ(gap.Accept(Message(3)).code(), absl::StatusCode::kDataLoss);
}

TEST_F(AttachLedgerTest, GrantsAdvanceReceivedUpToTheLimitAndNotAByteFurther) {
  const uint32_t channel = Credited(100);
  EXPECT_EQ(AcceptGrant(2, channel, 0, 60), absl::StatusCode::kOk);
  EXPECT_EQ(AcceptGrant(3, channel, 60, 40), absl::StatusCode::kOk);
  EXPECT_EQ(ledger_.Find(channel)->received, 100u);
  EXPECT_EQ(ledger_.Find(channel)->promised(), 0u);
  EXPECT_EQ(AcceptGrant(4, channel, 100, 1), absl::StatusCode::kOutOfRange);
}

TEST_F(AttachLedgerTest, TwoGrantsInOneMessageCountTogether) {
  const uint32_t channel = Credited(100);
  ServerMessageView message = Message(2);
  AddGrant(&message, channel, 0, 60);
  AddGrant(&message, channel, 60, 41);
  EXPECT_EQ(ledger_.Accept(message).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(AttachLedgerTest, AWrongOffsetIsDataLoss) {
  const uint32_t channel = Credited(100);
  EXPECT_EQ(AcceptGrant(2, channel, 1, 10), absl::StatusCode::kDataLoss);
}

TEST_F(AttachLedgerTest, AnEnormousGrantDoesNotOverflow) {
  const uint32_t channel = Credited(100);
  EXPECT_EQ(AcceptGrant(2, channel, 0, SIZE_MAX), absl::StatusCode::kOutOfRange);
}

TEST_F(AttachLedgerTest, CreditThatWasNotToldYetMayNotBeUsed) {
  const uint32_t channel = Credited(100);
  ASSERT_TRUE(ledger_.Promise(channel, 200));
  EXPECT_EQ(AcceptGrant(2, channel, 0, 101), absl::StatusCode::kOutOfRange);
}

TEST_F(AttachLedgerTest, MoreThanMaxPayloadInOneMessageIsRefused) {
  const uint32_t channel = Credited(kMaxCredit);
  ServerMessageView message = Message(2);
  AddGrant(&message, channel, 0, kMaxPayload);
  AddGrant(&message, channel, kMaxPayload, 1);
  EXPECT_EQ(ledger_.Accept(message).code(), absl::StatusCode::kOutOfRange);
}

TEST_F(AttachLedgerTest, GrantsAndStatesOfUnknownChannelsAreRefused) {
  Credited(100);
  EXPECT_EQ(AcceptGrant(2, 7, 0, 1), absl::StatusCode::kInvalidArgument);
  ServerMessageView state = Message(3);
  AddState(&state, 7, v1::PHASE_OPEN);
  EXPECT_EQ(ledger_.Accept(state).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, AStateWithoutAPhaseIsRefused) {
  const uint32_t channel = Credited(100);
  ServerMessageView state = Message(2);
  AddState(&state, channel, v1::PHASE_UNSPECIFIED);
  EXPECT_EQ(ledger_.Accept(state).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, ClosedIsTheLastWordAndVoidsThePromise) {
  const uint32_t channel = Credited(100);
  ServerMessageView closed = Message(2);
  AddState(&closed, channel, v1::PHASE_CLOSED);
  ASSERT_TRUE(ledger_.Accept(closed).ok());
  EXPECT_EQ(ledger_.Find(channel)->promised(), 0u);
  EXPECT_FALSE(ledger_.Promise(channel, 100));
  ServerMessageView again = Message(3);
  AddState(&again, channel, v1::PHASE_CLOSED);
  EXPECT_TRUE(ledger_.Accept(again).ok());
  EXPECT_EQ(AcceptGrant(4, channel, 0, 1), absl::StatusCode::kInvalidArgument);
  ServerMessageView open = Message(5);
  AddState(&open, channel, v1::PHASE_OPEN);
  EXPECT_EQ(ledger_.Accept(open).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, StatesApplyBeforeTheGrantsOfTheSameMessage) {
  const uint32_t channel = Credited(100);
  ServerMessageView message = Message(2);
  AddState(&message, channel, v1::PHASE_CLOSED);
  AddGrant(&message, channel, 0, 1);
  EXPECT_EQ(ledger_.Accept(message).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AttachLedgerTest, ThePromiseIsCappedByMaxCreditAndNeverLowered) {
  ASSERT_TRUE(ledger_.Accept(WelcomeMessage()).ok());
  const uint32_t channel = ledger_.Open().value();
  EXPECT_TRUE(ledger_.Promise(channel, kMaxCredit * 10));
  EXPECT_EQ(ledger_.Find(channel)->limit, kMaxCredit);
  EXPECT_FALSE(ledger_.Promise(channel, 10));
  EXPECT_EQ(ledger_.Find(channel)->limit, kMaxCredit);
}

TEST_F(AttachLedgerTest, NothingIsPromisedBeforeTheWelcome) {
  const uint32_t channel = ledger_.Open().value();
  EXPECT_FALSE(ledger_.Promise(channel, 10));
}

TEST_F(AttachLedgerTest, ALineTellsLimitReceivedAndGuests) {
  const uint32_t channel = Credited(100);
  ASSERT_EQ(AcceptGrant(2, channel, 0, 30), absl::StatusCode::kOk);
  ASSERT_TRUE(ledger_.Promise(channel, 100));
  const v1::Line line = ledger_.TakeLine(channel, 5);
  EXPECT_EQ(line.channel(), channel);
  EXPECT_EQ(line.limit(), 130u);
  EXPECT_EQ(line.received(), 30u);
  EXPECT_EQ(line.guests(), 5u);
  EXPECT_EQ(ledger_.Find(channel)->acked, 30u);
  EXPECT_EQ(ledger_.Find(channel)->limit_told, 130u);
}

}  // namespace
}  // namespace entropyd
