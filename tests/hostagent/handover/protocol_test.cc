#include "hostagent/handover/protocol.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(HandoverProtocolTest, TheSocketIsBesideTheControlSocket) {
  EXPECT_EQ(HandoverPath("/run/entropyd/agent.sock"), "/run/entropyd/agent.sock.handover");
}

// A process that runs today and its successor must find each other.
TEST(HandoverProtocolTest, TheFormatIsTheOneOfTheVersionsThatRun) {
  EXPECT_EQ(kHandoverFormat, 1u);
}

TEST(HandoverProtocolTest, ARefusalGivesTheReasonAndAnythingElseWhatWasExpected) {
  handover::v1::Message message;
  message.mutable_refusal()->set_reason("this agent is stopping");
  EXPECT_EQ(UnexpectedMessage(message, "Offer"),
            absl::FailedPreconditionError("this agent is stopping"));
  message.mutable_refusal()->clear_reason();
  EXPECT_EQ(UnexpectedMessage(message, "Offer"),
            absl::FailedPreconditionError("the other side gives no reason"));
  message.mutable_go();
  EXPECT_TRUE(absl::IsDataLoss(UnexpectedMessage(message, "Offer")));
  EXPECT_THAT(UnexpectedMessage(message, "Offer").message(), testing::HasSubstr("expected Offer"));
}

}  // namespace
}  // namespace entropyd
