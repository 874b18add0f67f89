#include "base/class_tree/token_bucket.h"

#include <gtest/gtest.h>

#include "base/process/nanos.h"

namespace entropyd {
namespace {

constexpr int64_t kByte = TokenBucket::kNanosPerByte;

TEST(TokenBucketTest, StartsFullAndIsEmptiedExactly) {
  TokenBucket bucket(1000, 400);
  EXPECT_TRUE(bucket.Holds(400 * kByte));
  EXPECT_FALSE(bucket.Holds(400 * kByte + 1));
  bucket.Take(400);
  EXPECT_EQ(bucket.nano_tokens(), 0);
}

TEST(TokenBucketTest, FillsWithoutRoundingHoweverOftenItIsAsked) {
  TokenBucket often(333'333'337, 1 << 30);
  TokenBucket once(333'333'337, 1 << 30);
  often.Take(1 << 30);
  once.Take(1 << 30);
  for (int64_t now = 0; now <= 1'000'000; ++now) often.Fill(now);
  once.Fill(1'000'000);
  EXPECT_EQ(often.nano_tokens(), 333'333'337 * int64_t{1'000'000});
  EXPECT_EQ(often.nano_tokens(), once.nano_tokens());
}

TEST(TokenBucketTest, HoldsWhatItSaysAtTheNanosecondItSays) {
  TokenBucket bucket(3, 100);
  bucket.Take(100);
  EXPECT_EQ(bucket.NanosUntil(kByte), 333'333'334);
  bucket.Fill(333'333'333);
  EXPECT_FALSE(bucket.Holds(kByte));
  bucket.Fill(333'333'334);
  EXPECT_TRUE(bucket.Holds(kByte));
  EXPECT_EQ(bucket.NanosUntil(kByte), 0);
}

TEST(TokenBucketTest, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket(1000, 400);
  bucket.Take(1);
  bucket.Fill(kSecondNanos);
  EXPECT_EQ(bucket.nano_tokens(), 400 * kByte);
}

TEST(TokenBucketTest, TimeThatGoesBackAddsNothing) {
  TokenBucket bucket(1000, 400);
  bucket.Fill(kSecondNanos);
  bucket.Take(400);
  bucket.Fill(0);
  EXPECT_EQ(bucket.nano_tokens(), 0);
  bucket.Fill(kSecondNanos + 1'000'000);
  EXPECT_EQ(bucket.nano_tokens(), kByte);
}

TEST(TokenBucketTest, ThirtyIdleDaysAtTenGibibytesOverflowNothing) {
  constexpr uint64_t kRate = uint64_t{10} << 30;
  constexpr int64_t kMonth = int64_t{30} * 24 * 3600 * kSecondNanos;
  TokenBucket bucket(kRate, kRate / 100);
  bucket.Take(static_cast<uint32_t>(kRate / 100));
  bucket.Fill(kMonth);
  EXPECT_EQ(bucket.nano_tokens(), static_cast<int64_t>(kRate / 100) * kByte);
}

TEST(TokenBucketTest, TheLargestBucketFillsWithoutOverflow) {
  TokenBucket bucket(TokenBucket::kMaxRate, TokenBucket::kMaxBurst);
  bucket.Take(1);
  bucket.Fill(15'000'000);  // 3.75 GiB flow in; only 1 byte fits
  EXPECT_EQ(bucket.nano_tokens(), static_cast<int64_t>(TokenBucket::kMaxBurst) * kByte);
}

TEST(TokenBucketTest, AChangeKeepsWhatFitsAndGoesOnAtTheNewRate) {
  TokenBucket bucket(1000, 400);
  bucket.Fill(kSecondNanos);
  bucket.Change(2000, 300);
  EXPECT_EQ(bucket.nano_tokens(), 300 * kByte);
  bucket.Change(1000, 1000);
  EXPECT_EQ(bucket.nano_tokens(), 300 * kByte);
  EXPECT_EQ(bucket.NanosUntil(301 * kByte), 1'000'000);
  bucket.Fill(kSecondNanos + 1'000'000);
  EXPECT_EQ(bucket.nano_tokens(), 301 * kByte);
  bucket.Fill(2 * kSecondNanos);
  EXPECT_EQ(bucket.nano_tokens(), 1000 * kByte);
}

TEST(TokenBucketTest, WithoutARateHoldsNothing) {
  TokenBucket bucket;
  bucket.Fill(kSecondNanos);
  EXPECT_FALSE(bucket.Holds(1));
}

}  // namespace
}  // namespace entropyd
