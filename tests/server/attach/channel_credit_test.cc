#include "server/attach/channel_credit.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

v1::Line Line(uint64_t limit, uint64_t received) {
  v1::Line line;
  line.set_limit(limit);
  line.set_received(received);
  return line;
}

class ChannelCreditTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMaxCredit = 1000;

  absl::StatusCode Take(uint64_t limit, uint64_t received) {
    return credit_.Take(Line(limit, received), kMaxCredit).code();
  }

  Deliveries sum_;
  ChannelCredit credit_{7, &sum_};
};

TEST_F(ChannelCreditTest, WithoutALineNothingMayBeSent) { EXPECT_EQ(credit_.open(), 0u); }

TEST_F(ChannelCreditTest, WhatIsSentIsOpenNoMoreAndUnconfirmedUntilItIsAcknowledged) {
  EXPECT_EQ(Take(500, 0), absl::StatusCode::kOk);
  EXPECT_EQ(credit_.open(), 500u);
  credit_.Send(200);
  EXPECT_EQ(credit_.open(), 300u);
  EXPECT_EQ(credit_.unconfirmed(), 200u);
  EXPECT_EQ(Take(700, 150), absl::StatusCode::kOk);
  EXPECT_EQ(credit_.open(), 500u);
  EXPECT_EQ(credit_.unconfirmed(), 50u);
  EXPECT_EQ(sum_.sent(), 200u);
  EXPECT_EQ(sum_.received(), 150u);
}

TEST_F(ChannelCreditTest, NeitherTheLimitNorWhatWasReceivedGoesBack) {
  ASSERT_EQ(Take(500, 0), absl::StatusCode::kOk);
  credit_.Send(200);
  ASSERT_EQ(Take(500, 100), absl::StatusCode::kOk);
  EXPECT_EQ(Take(499, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Take(500, 99), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Take(500, 100), absl::StatusCode::kOk) << "the same again is no step back";
}

TEST_F(ChannelCreditTest, NobodyHasReceivedWhatWasNotSent) {
  ASSERT_EQ(Take(500, 0), absl::StatusCode::kOk);
  credit_.Send(200);
  EXPECT_EQ(Take(500, 201), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Take(500, 200), absl::StatusCode::kOk);
}

TEST_F(ChannelCreditTest, CreditIsBoundedBeyondWhatWasReceived) {
  EXPECT_EQ(Take(kMaxCredit + 1, 0), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Take(UINT64_MAX, 0), absl::StatusCode::kOutOfRange);
  ASSERT_EQ(Take(kMaxCredit, 0), absl::StatusCode::kOk);
  credit_.Send(kMaxCredit);
  EXPECT_EQ(Take(2 * kMaxCredit, kMaxCredit - 1), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Take(2 * kMaxCredit, kMaxCredit), absl::StatusCode::kOk);
}

TEST_F(ChannelCreditTest, ALineThatIsRefusedChangesNothingAndNamesTheChannel) {
  ASSERT_EQ(Take(500, 0), absl::StatusCode::kOk);
  credit_.Send(200);
  const absl::Status refused = credit_.Take(Line(5000, 100), kMaxCredit);
  EXPECT_TRUE(absl::IsOutOfRange(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("channel 7 "));
  EXPECT_EQ(credit_.limit(), 500u);
  EXPECT_EQ(credit_.received(), 0u);
}

TEST_F(ChannelCreditTest, AClosedChannelCountsWhatWasReceivedAndTakesNoCredit) {
  ASSERT_EQ(Take(500, 0), absl::StatusCode::kOk);
  credit_.Send(200);
  EXPECT_TRUE(credit_.Acknowledge(Line(700, 200), kMaxCredit).ok());
  EXPECT_EQ(credit_.unconfirmed(), 0u);
  EXPECT_EQ(credit_.limit(), 500u);
  EXPECT_TRUE(absl::IsInvalidArgument(credit_.Acknowledge(Line(700, 201), kMaxCredit)));
}

}  // namespace
}  // namespace entropyd
