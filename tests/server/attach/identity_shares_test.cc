#include "server/attach/identity_shares.h"

#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

class IdentitySharesTest : public ::testing::Test {
 protected:
  using Place = IdentityShares::Place;
  using Event = IdentityShares::StreamEvent;
  using Cause = ShareRefusal::Cause;

  struct Waiter final : ByteBudget::Waiter {
    void OnRoom(int64_t) override { ++woken; }
    int woken = 0;
  };

  int64_t now_ = 5 * kSecondNanos;
  ByteBudget all_{1000, 100};
  IdentityShares shares_{
      {.streams = 2, .in_flight = 300, .gets = 1, .messages_per_second = 10}, &all_, 100};
};

TEST_F(IdentitySharesTest, AnIdentityHasItsStreamsAndNoMore) {
  Place one = shares_.TakeStream("a", now_).place;
  absl::optional<Place> two = shares_.TakeStream("a", now_).place;
  const IdentityShares::Answer refused = shares_.TakeStream("a", now_);
  EXPECT_FALSE(refused.place);
  EXPECT_EQ(refused.refusal.cause, Cause::kStreams);
  EXPECT_EQ(refused.refusal.count, 2u);
  EXPECT_TRUE(shares_.TakeStream("b", now_).place) << "others have their own";
  EXPECT_TRUE(shares_.TakeGet("a", now_).place) << "Gets are another share";
  EXPECT_EQ(shares_.totals().denied_streams, 1u);
  EXPECT_EQ(shares_.held().streams, 2u) << "what was denied, or is over, is not held";
  two.reset();
  EXPECT_TRUE(shares_.TakeStream("a", now_).place);
}

TEST_F(IdentitySharesTest, AnIdentityHasItsGetsAndNoMore) {
  Place one = shares_.TakeGet("a", now_).place;
  const IdentityShares::Answer refused = shares_.TakeGet("a", now_);
  EXPECT_FALSE(refused.place);
  EXPECT_EQ(refused.refusal.cause, Cause::kGets);
  EXPECT_EQ(refused.refusal.count, 1u);
  EXPECT_EQ(shares_.totals().denied_gets, 1u);
  EXPECT_EQ(shares_.held().gets, 1u);
  one = Place();
  EXPECT_EQ(shares_.held().gets, 0u);
  EXPECT_TRUE(shares_.TakeGet("a", now_).place);
}

TEST_F(IdentitySharesTest, AnAnsweredGetLeavesItsPlaceAndCountsAsAnAnswer) {
  std::vector<Place> answers;
  for (uint32_t i = 1; i <= 4; ++i) {
    answers.push_back(shares_.TakeGet("a", now_).place);
    ASSERT_TRUE(answers.back());
    answers.back().Answered();
    EXPECT_EQ(shares_.held().gets, 0u);
    EXPECT_EQ(shares_.held().answers, i);
  }
  const IdentityShares::Answer refused = shares_.TakeGet("a", now_);
  EXPECT_FALSE(refused.place);
  EXPECT_EQ(refused.refusal.cause, Cause::kAnswers);
  EXPECT_EQ(refused.refusal.count, 4u);
  EXPECT_EQ(shares_.totals().denied_gets, 1u);
  answers.pop_back();
  EXPECT_EQ(shares_.held().answers, 3u);
  EXPECT_TRUE(shares_.TakeGet("a", now_).place);
  Place().Answered();
  // It is remembered as long as an answer is on its way.
  now_ += 60 * kSecondNanos;
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 1u);
  answers.clear();
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 0u);
}

TEST_F(IdentitySharesTest, AMovedPlaceIsGivenBackOnce) {
  Place one = shares_.TakeStream("a", now_).place;
  Place other = std::move(one);
  EXPECT_FALSE(one);
  EXPECT_TRUE(other);
  one = std::move(other);
  EXPECT_EQ(shares_.held().streams, 1u);
  one = Place();
  EXPECT_EQ(shares_.held().streams, 0u);
}

TEST_F(IdentitySharesTest, MessagesHaveARateAndASecondsWorthAtOnce) {
  Place place = shares_.TakeStream("a", now_).place;
  for (int i = 1; i < 10; ++i) EXPECT_TRUE(place.TakeMessage(now_)) << i;
  EXPECT_FALSE(place.TakeMessage(now_));
  const IdentityShares::Answer refused = shares_.TakeGet("a", now_);
  EXPECT_FALSE(refused.place);
  EXPECT_EQ(refused.refusal.cause, Cause::kMessages);
  EXPECT_EQ(refused.refusal.count, 10u);
  EXPECT_EQ(shares_.TakeStream("a", now_).refusal.cause, Cause::kMessages);
  EXPECT_EQ(shares_.totals().denied_messages, 2u);
  EXPECT_TRUE(shares_.TakeGet("b", now_).place) << "others have their own";
  now_ += kSecondNanos / 10;
  EXPECT_TRUE(place.TakeMessage(now_));
  EXPECT_FALSE(place.TakeMessage(now_));
  now_ += kMinuteNanos;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(place.TakeMessage(now_)) << i;
  EXPECT_FALSE(place.TakeMessage(now_)) << "a minute of silence earns no more than a second";
}

// Else a stream that is opened and closed in a loop would be free.
TEST_F(IdentitySharesTest, AnIdentityIsRememberedUntilItsMessagesArePaidFor) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(shares_.TakeStream("a", now_).place) << i;
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 1u);
  EXPECT_FALSE(shares_.TakeStream("a", now_).place);
  shares_.Sweep(now_ + kSecondNanos - 1);
  EXPECT_EQ(shares_.identities(), 1u);
  shares_.Sweep(now_ + kSecondNanos);
  EXPECT_EQ(shares_.identities(), 0u);
}

TEST_F(IdentitySharesTest, WhoComesBackBeforeTheSweepStays) {
  absl::optional<Place> first = shares_.TakeStream("a", now_).place;
  first.reset();
  absl::optional<Place> second = shares_.TakeStream("a", now_).place;
  now_ += kMinuteNanos;
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 1u);
  EXPECT_EQ(second->bytes()->used(), 0u);
  second.reset();
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 0u);
}

TEST_F(IdentitySharesTest, EachStreamThatThereMayBeHasALineAndTheRestIsCounted) {
  Place place = shares_.TakeStream("a", now_).place;
  Place other = shares_.TakeStream("b", now_).place;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(place.AskLine(Event::kAttached, now_), 1u);
  EXPECT_EQ(place.AskLine(Event::kAttached, now_), 0u);
  EXPECT_EQ(place.AskLine(Event::kDetached, now_), 1u) << "another kind";
  EXPECT_EQ(other.AskLine(Event::kAttached, now_), 1u) << "another identity";
  now_ += LineBudget::kEveryNanos;
  EXPECT_EQ(place.AskLine(Event::kAttached, now_), 2u);
}

// Else an identity that comes and goes would have new lines after each sweep.
TEST_F(IdentitySharesTest, AnIdentityIsRememberedUntilItMayHaveLinesAgain) {
  EXPECT_EQ(shares_.TakeStream("a", now_).place.AskLine(Event::kDetached, now_), 1u);
  now_ += LineBudget::kEveryNanos - 1;
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 1u);
  shares_.Sweep(now_ + 1);
  EXPECT_EQ(shares_.identities(), 0u);
}

TEST_F(IdentitySharesTest, AnIdentityIsRememberedWhileSomeOfItsEventsAreUntold) {
  for (int i = 0; i < 5; ++i) {
    shares_.TakeStream("a", now_).place.AskLine(Event::kDetached, now_);
    now_ += kSecondNanos;
  }
  now_ += LineBudget::kEveryNanos;
  shares_.Sweep(now_);
  EXPECT_EQ(shares_.identities(), 1u);
  EXPECT_EQ(shares_.TakeStream("a", now_).place.AskLine(Event::kDetached, now_), 4u);
  shares_.Sweep(now_ + LineBudget::kEveryNanos);
  EXPECT_EQ(shares_.identities(), 0u);
}

TEST_F(IdentitySharesTest, BytesOfAllItsStreamsCountTogether) {
  Place one = shares_.TakeStream("a", now_).place, two = shares_.TakeStream("a", now_).place;
  Place other = shares_.TakeStream("b", now_).place;
  EXPECT_EQ(one.bytes(), two.bytes());
  EXPECT_NE(one.bytes(), other.bytes());
  ByteBudget planned(&all_);
  planned.CountIn(one.bytes());
  ByteBudget::Reservation held(&planned);
  held.Grow(300);
  EXPECT_TRUE(two.bytes()->full());
  EXPECT_FALSE(other.bytes()->full());
  EXPECT_FALSE(all_.full());
  Waiter waiter;
  two.bytes()->Await(&waiter);
  EXPECT_FALSE(all_.room_is_wanted());
  held.Spend();
  EXPECT_TRUE(all_.room_is_wanted());
  all_.Wake(0);
  EXPECT_EQ(waiter.woken, 1);
}

TEST_F(IdentitySharesTest, NewLimitsHoldForThoseWhoHoldSomethingToo) {
  Place one = shares_.TakeStream("a", now_).place;
  Place two = shares_.TakeStream("a", now_).place;
  ByteBudget part(&all_);
  part.CountIn(one.bytes());
  ByteBudget::Reservation held(&part);
  held.Grow(300);
  ASSERT_TRUE(one.bytes()->full());
  Waiter waiter;
  one.bytes()->Await(&waiter);
  shares_.SetLimits({.streams = 3, .in_flight = 500, .gets = 2, .messages_per_second = 10}, 100);
  EXPECT_FALSE(one.bytes()->full());
  all_.Wake(now_);
  EXPECT_EQ(waiter.woken, 1);
  EXPECT_TRUE(shares_.TakeStream("a", now_).place);
  shares_.SetLimits({.streams = 1, .in_flight = 100, .gets = 2, .messages_per_second = 10}, 100);
  EXPECT_FALSE(shares_.TakeStream("a", now_).place);
  EXPECT_TRUE(one.bytes()->full());
  EXPECT_EQ(shares_.held().streams, 2u) << "nobody has to go";
}

}  // namespace
}  // namespace entropyd
