#include "server/attach/inbox.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

// What the inbox says of a message with this body.
template <typename Fill>
absl::Status Look(bool greeted, const Fill& fill) {
  Inbox inbox;
  fill(inbox.room());
  inbox.Filled(absl::OkStatus());
  return inbox.Look(greeted).status();
}

TEST(InboxTest, AMessageIsThereUntilItIsEmptied) {
  Inbox inbox;
  inbox.room()->mutable_hello()->set_version_max(7);
  inbox.Filled(absl::OkStatus());
  const absl::StatusOr<const v1::AgentMessage*> message = inbox.Look(/*greeted=*/false);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ((*message)->hello().version_max(), 7u);
  inbox.Empty();
  EXPECT_FALSE(inbox.room()->has_hello()) << "the next one begins with nothing";
}

TEST(InboxTest, OnlyHelloMayComeFirstAndOnlyOnce) {
  const auto hello = [](v1::AgentMessage* message) { message->mutable_hello(); };
  const auto credit = [](v1::AgentMessage* message) { message->mutable_credit(); };
  EXPECT_TRUE(Look(/*greeted=*/false, hello).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Look(/*greeted=*/true, hello)));
  EXPECT_TRUE(absl::IsInvalidArgument(Look(/*greeted=*/false, credit)));
  EXPECT_TRUE(Look(/*greeted=*/true, credit).ok());
}

TEST(InboxTest, AMessageWithoutABodyIsAViolation) {
  for (const bool greeted : {false, true}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Look(greeted, [](v1::AgentMessage*) {})));
  }
}

TEST(InboxTest, WhatDoesNotParseIsToldAsItWas) {
  Inbox inbox;
  const absl::Status error = absl::InvalidArgumentError("the bytes do not parse");
  inbox.room()->mutable_hello();  // a part of it was read
  inbox.Filled(error);
  EXPECT_EQ(inbox.Look(/*greeted=*/false).status(), error);
  inbox.Empty();
  inbox.room()->mutable_hello();
  inbox.Filled(absl::OkStatus());
  EXPECT_TRUE(inbox.Look(/*greeted=*/false).ok()) << "the next one is judged by itself";
}

TEST(InboxTest, WhoHasPromisedNothingMayBeSilentForEver) {
  Inbox inbox;
  inbox.Heard(0);
  inbox.Promise(0);
  EXPECT_FALSE(inbox.Silent(kNever - 1));
}

TEST(InboxTest, WhoHasPromisedHeartbeatsIsSilentAfterThreeOfThem) {
  Inbox inbox;
  inbox.Heard(kSecondNanos);
  inbox.Promise(60'000);
  EXPECT_FALSE(inbox.Silent(181 * kSecondNanos - 1));
  EXPECT_TRUE(inbox.Silent(181 * kSecondNanos));
  inbox.Heard(100 * kSecondNanos);
  EXPECT_FALSE(inbox.Silent(181 * kSecondNanos));
}

TEST(InboxTest, NobodyIsHurriedMoreThanAnAgentsOwnHeartbeatsAllow) {
  Inbox inbox;
  inbox.Heard(0);
  inbox.Promise(1);
  EXPECT_FALSE(inbox.Silent(Inbox::kSilenceTimeoutNanos - 1));
  EXPECT_TRUE(inbox.Silent(Inbox::kSilenceTimeoutNanos));
}

}  // namespace
}  // namespace entropyd
