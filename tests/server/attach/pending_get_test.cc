// Get: pending Gets that get their bytes, wait, give up, or are refused.
#include <string>

#include "gtest/gtest.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

using DispatcherTest = DispatcherFixture;

TEST_F(DispatcherTest, GetIsAnsweredOnceTheClassHasGivenAll) {
  FakeOutlet::Record record;
  PendingGet* get = Get(&record, "default/gold", 100);
  ASSERT_TRUE(record.done);
  EXPECT_EQ(record.response.data().size(), 100u);
  EXPECT_EQ(record.response.quality(), v1::QUALITY_DRBG);
  EXPECT_EQ(record.response.seed_generation(), 7u);
  EXPECT_EQ(totals().drawn_bytes, 100u);
  Post(get, PendingGet::kDead);
  EXPECT_TRUE(protocols_->get()->waiting() == 0);
  ExpectBalance();
}

TEST_F(DispatcherTest, GetWaitsForTokensAndKeepsItsPlace) {
  FakeOutlet::Record record;
  PendingGet* get = Get(&record, "default/slow", 32 * 1024);
  EXPECT_FALSE(record.done);
  for (int i = 0; i < 1000 && !record.done; ++i) Advance(kMilli);
  ASSERT_TRUE(record.done);
  ASSERT_EQ(record.response.data().size(), 32u * 1024);
  for (size_t i = 0; i < record.response.data().size(); ++i) {
    ASSERT_EQ(static_cast<uint8_t>(record.response.data()[i]), static_cast<uint8_t>(i));
  }
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

TEST_F(DispatcherTest, AGetThatIsGivenUpForfeitsWhatItWasGranted) {
  FakeOutlet::Record record;
  PendingGet* get = Get(&record, "default/slow", 32 * 1024);
  Post(get, PendingGet::kCancelled);
  Post(get, PendingGet::kDead);
  EXPECT_GT(totals().forfeited_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  ExpectBalance();
}

// The charge of a tree's leaves is what their pool gave, plus what was given back or refused, and
// it adds up to the root.
TEST_F(DispatcherTest, S3_TheTreesCountExactlyTheBytesThatPoolsGive) {
  const auto charged = [this](bool leaves) {
    uint64_t bytes = 0;
    for (const auto& slot : dispatcher_->classes().slots()) {
      for (const ClassTree::ClassStats& stats : slot->tree->Stats(clock_.NowNanos())) {
        if (leaves ? stats.leaf : stats.spec.parent.empty()) bytes += stats.delivered_bytes;
      }
    }
    return bytes;
  };
  full_.available = 5'000;
  FakePeer* peer = Greet();
  WriteAll(peer);
  Open(peer, 1, "default/gold");
  Open(peer, 2, "default/slow");
  Open(peer, 3, "scarce/key");
  WriteAll(peer);
  for (uint64_t round = 1; round <= 20; ++round) {
    for (const uint32_t channel : {1, 2, 3}) Credit(peer, channel, round * 3'000, 0);
    FakeOutlet::Record record;
    PendingGet* get = Get(&record, round % 2 == 0 ? "default/gold" : "default/slow", 100 * round);
    if (round % 5 == 0) drbg_.next_error = absl::UnavailableError("no fresh seed");
    WriteAll(peer);
    Advance(300 * kMilli);
    WriteAll(peer);
    Post(get, PendingGet::kCancelled);
    Post(get, PendingGet::kDead);
    ExpectBalance();
    EXPECT_EQ(charged(true), totals().charged_bytes);
    EXPECT_EQ(charged(false), totals().charged_bytes);
    EXPECT_EQ(drbg_.given + full_.given, totals().sent_bytes + totals().drawn_bytes);
    EXPECT_EQ(drbg_.given + full_.given,
              totals().charged_bytes - totals().planned_bytes - totals().forfeited_bytes);
  }
  EXPECT_EQ(full_.given, 5'000u);
  EXPECT_GT(totals().forfeited_bytes, 0u);
  EXPECT_GT(totals().drawn_bytes, 0u);
}

TEST_F(DispatcherTest, M9_GetSaysWhyItIsRefused) {
  const auto code = [this](const std::string& name, uint32_t bytes,
                           v1::Quality quality = v1::QUALITY_UNSPECIFIED) {
    FakeOutlet::Record record;
    PendingGet* get = Get(&record, name, bytes, "spiffe://test/reader", quality);
    const absl::StatusCode result = record.status.code();
    Post(get, PendingGet::kDead);
    return result;
  };
  EXPECT_EQ(code("default/gold", 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("default/gold", 32 * 1024 + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("default/secret", 1), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("default/nonsuch", 1), absl::StatusCode::kNotFound);
  EXPECT_EQ(code("default/gold", 1, v1::QUALITY_FULL), absl::StatusCode::kFailedPrecondition);
  drbg_.state.phase = PoolState::Phase::kSuspended;
  PoolsChanged();
  EXPECT_EQ(code("default/gold", 1), absl::StatusCode::kUnavailable);
}

TEST_F(DispatcherTest, GetsWaitInABoundedQueue) {
  Make({.max_gets = 3, .max_gets_per_identity = 2});
  std::vector<FakeOutlet::Record> records(5);
  std::vector<PendingGet*> gets;
  gets.push_back(Get(&records[0], "default/slow", 32 * 1024, "a"));
  gets.push_back(Get(&records[1], "default/slow", 32 * 1024, "a"));
  gets.push_back(Get(&records[2], "default/slow", 32 * 1024, "a"));
  EXPECT_TRUE(absl::IsResourceExhausted(records[2].status)) << "too many of one identity";
  Post(gets[2], PendingGet::kDead);
  gets[2] = Get(&records[3], "default/slow", 32 * 1024, "b");
  EXPECT_FALSE(records[3].done);
  gets.push_back(Get(&records[4], "default/slow", 32 * 1024, "c"));
  EXPECT_TRUE(absl::IsResourceExhausted(records[4].status)) << "too many at all";
  for (PendingGet* get : gets) {
    Post(get, PendingGet::kCancelled);
    Post(get, PendingGet::kDead);
  }
  ExpectBalance();
}

TEST_F(DispatcherTest, AGetThatNobodyCanServeEndsAfterThirtySeconds) {
  full_.available = 10;
  FakeOutlet::Record record;
  PendingGet* get = Get(&record, "scarce/key", 1000);
  Advance(31 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(record.status));
  Post(get, PendingGet::kDead);
  ExpectBalance();
}

}  // namespace
}  // namespace entropyd
