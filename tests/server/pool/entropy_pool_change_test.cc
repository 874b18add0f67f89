// A pool that takes another configuration while it gives bytes.
#include <string>
#include <utility>
#include <vector>

#include "tests/server/pool/entropy_pool_fixture.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EntropyPoolChangeTest : public EntropyPoolFixture {
 protected:
  static EntropyPool::Options With(std::vector<EntropyPool::Member> members,
                                   v1::Quality quality = v1::QUALITY_DRBG) {
    EntropyPool::Options options;
    options.name = "default";
    options.quality = quality;
    options.members = std::move(members);
    options.capacity_bytes = 4096;
    options.reseed_interval_nanos = absl::ToInt64Nanoseconds(kReseed);
    options.max_seed_age_nanos = absl::ToInt64Nanoseconds(kMaxAge);
    return options;
  }
  std::vector<int> Apply(EntropyPool::Options options) {
    absl::StatusOr<EntropyPool::Change> change = pool_->Prepare(std::move(options), arena_.get());
    EXPECT_TRUE(change.ok()) << change.status();
    return pool_->Apply(*std::move(change));
  }
  v1::Pool Now() const { return pool_->Snapshot(); }
  void Fails(int member) { pool_->SetSourceState(member, v1::SOURCE_STATE_QUARANTINED); }
  uint64_t Epoch() const { return pool_->State().discard_epoch; }

  const EntropyPool::Member board_ = {.source = "trng0", .group = "board", .min_entropy = 4};
  const EntropyPool::Member cpu_ = {.source = "cpu", .group = "cpu", .min_entropy = 4};
  // Another source of the same group.
  const EntropyPool::Member twin_ = {.source = "twin", .group = "board", .min_entropy = 4};
  const EntropyPool::Member usb_ = {.source = "usb", .group = "usb", .min_entropy = 4};
};

TEST_F(EntropyPoolChangeTest, ASourceThatGoesTakesItsGroupAlongAndThePoolServesOn) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  const uint64_t epoch = pool_->State().discard_epoch;
  EXPECT_THAT(Apply(With({board_})), ElementsAre(0));
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_FALSE(pool_->State().degraded()) << "nothing is missing that is configured";
  EXPECT_EQ(Now().healthy_groups(), 1u);
  EXPECT_THAT(Now().sources(), ElementsAre("trng0"));
  EXPECT_EQ(pool_->State().discard_epoch, epoch) << "what was delivered stays good";
  EXPECT_TRUE(Read(64).ok());
}

TEST_F(EntropyPoolChangeTest, ASeedOfAGroupThatIsGoneCountsNoMore) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  Apply(With({cpu_}));
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_FALSE(Read(64).ok());
  Healthy(1);
  Add(1, kBlockSamples);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_EQ(pool_->State().discard_epoch, 0u);
}

TEST_F(EntropyPoolChangeTest, ANewSourceGivesNothingBeforeItIsHealthyAndThenCounts) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  const std::vector<int> numbers = Apply(With({board_, usb_, cpu_}));
  EXPECT_EQ(numbers[0], 0);
  EXPECT_EQ(numbers[2], 1);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(pool_->State().degraded());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("usb"));
  const uint64_t generation = pool_->State().seed_generation;
  EXPECT_EQ(Add(numbers[1], kBlockSamples), 0);
  EXPECT_EQ(pool_->State().seed_generation, generation);
  Healthy(numbers[1]);
  Add(numbers[1], kBlockSamples);
  EXPECT_EQ(pool_->State().seed_generation, generation + 1);
  EXPECT_FALSE(pool_->State().degraded());
  EXPECT_EQ(Now().healthy_groups(), 3u);
}

TEST_F(EntropyPoolChangeTest, AnotherSourceUnderTheSameNameBeginsAtTheStart) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  EntropyPool::Member other = board_;
  other.is_new = true;
  const std::vector<int> numbers = Apply(With({other, cpu_}));
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(pool_->State().degraded());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("trng0"));
  EXPECT_EQ(Add(numbers[0], kBlockSamples), 0) << "it is starting";
}

// The number of one that goes is given to another: its half block must not be theirs.
TEST_F(EntropyPoolChangeTest, WhatAMemberGaveToAnOpenBlockIsNotTheNewMembers) {
  members_ = {board_};
  Make(v1::QUALITY_DRBG);
  Healthy(0);
  Add(0, kBlockSamples / 2);
  EntropyPool::Member twin = board_;
  twin.source = "twin";
  const std::vector<int> numbers = Apply(With({twin}));
  Healthy(numbers[0]);
  Add(numbers[0], kBlockSamples / 2);
  EXPECT_EQ(pool_->State().seed_generation, 0u);
  Add(numbers[0], kBlockSamples / 2);
  EXPECT_EQ(pool_->State().seed_generation, 1u);
}

TEST_F(EntropyPoolChangeTest, AMemberThatHasGivenNothingVoidsNothingWhenItFails) {
  members_ = {board_};
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 20 * kBlockSamples);
  const uint64_t stored = Now().available_bytes();
  ASSERT_GT(stored, 0u);
  const int twin = Apply(With({board_, twin_}, v1::QUALITY_FULL))[1];
  pool_->SetSourceState(twin, v1::SOURCE_STATE_LATCHED);
  EXPECT_EQ(Epoch(), 0u);
  EXPECT_EQ(Now().available_bytes(), stored);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(Read(64).ok());
}

TEST_F(EntropyPoolChangeTest, ASourceWithOtherKeysThatFailsVoidsWhatItGaveBefore) {
  members_ = {board_};
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 20 * kBlockSamples);
  ASSERT_GT(Now().available_bytes(), 0u);
  EntropyPool::Member changed = board_;
  changed.is_new = true;
  const int board = Apply(With({changed}, v1::QUALITY_FULL))[0];
  Fails(board);
  EXPECT_EQ(Epoch(), 1u);
  EXPECT_EQ(Now().available_bytes(), 0u);
  EXPECT_FALSE(pool_->State().ready());
}

TEST_F(EntropyPoolChangeTest, AMemberThatHasGivenToAGroupTakesItsBytesAlongWhenItFails) {
  members_ = {board_};
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const int twin = Apply(With({board_, twin_}))[1];
  Healthy(twin);
  Add(twin, kBlockSamples);
  Fails(twin);
  EXPECT_EQ(Epoch(), 1u);
  EXPECT_FALSE(pool_->State().ready());
}

TEST_F(EntropyPoolChangeTest, ANewSourceThatFailsDoesNotVoidWhatASoundOneGaveThatIsGone) {
  members_ = {board_};
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const int cpu = Apply(With({cpu_}))[0];
  Fails(cpu);
  EXPECT_EQ(Epoch(), 0u);
  // Nor when it has given half a block, which is dropped.
  Healthy(cpu);
  Add(cpu, kBlockSamples / 2);
  Fails(cpu);
  EXPECT_EQ(Epoch(), 0u);
  Healthy(cpu);
  Add(cpu, kBlockSamples / 2);
  EXPECT_FALSE(pool_->State().ready());
  // A seed that it gave goes with it.
  Add(cpu, kBlockSamples / 2);
  ASSERT_TRUE(pool_->State().ready());
  Fails(cpu);
  EXPECT_EQ(Epoch(), 1u);
}

TEST_F(EntropyPoolChangeTest, AGroupThatLosesItsLastCreditBeginsAnew) {
  EntropyPool::Member twin = twin_;
  twin.min_entropy = 0;
  members_ = {board_, twin};
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  Apply(With({twin, cpu_}));
  const int number = Apply(With({twin_, cpu_}))[0];
  Healthy(number);
  Add(number, kBlockSamples / 2);
  Fails(number);
  EXPECT_EQ(Epoch(), 0u) << "it has given no seed";
}

TEST_F(EntropyPoolChangeTest, ASecondFailureDoesNotVoidWhatRestedOnOthersMeanwhile) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  Fails(0);
  Add(1, kBlockSamples);
  Apply(With({board_}));
  Healthy(0);
  Add(0, kBlockSamples / 2);
  pool_->SetSourceState(0, v1::SOURCE_STATE_LATCHED);
  EXPECT_EQ(Epoch(), 0u);
}

TEST_F(EntropyPoolChangeTest, AGroupOfAnotherNameKeepsItsSeedAndItsBlocks) {
  members_ = {board_};
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 20 * kBlockSamples);
  const uint64_t stored = Now().available_bytes();
  EntropyPool::Member renamed = board_;
  renamed.group = "device";
  EXPECT_THAT(Apply(With({cpu_, renamed}, v1::QUALITY_FULL)), ElementsAre(1, 0));
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_EQ(Now().available_bytes(), stored);
  // Also when the one that gave the name has gone, and when one comes that gives another.
  Apply(With({board_, twin_}, v1::QUALITY_FULL));
  EntropyPool::Member other = twin_;
  other.group = "device";
  renamed.group = "device";
  Apply(With({renamed, other}, v1::QUALITY_FULL));
  Apply(With({twin_, board_}, v1::QUALITY_FULL));
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_EQ(Now().available_bytes(), stored);
}

TEST_F(EntropyPoolChangeTest, ASourceThatLeavesItsGroupTakesNoSeedAlong) {
  EntropyPool::Member twin = twin_;
  members_ = {board_, twin_};
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  twin.group = "device";
  Apply(With({board_, twin}));
  EXPECT_FALSE(pool_->State().ready()) << "nobody knows who of the two gave it";
}

TEST_F(EntropyPoolChangeTest, SourcesThatGoSeparateWaysTakeNoSeedAlong) {
  EntropyPool::Member board = board_, twin = twin_;
  members_ = {board_, twin_};
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  board.group = "one";
  twin.group = "two";
  Apply(With({board, twin}));
  EXPECT_FALSE(pool_->State().ready());
}

TEST_F(EntropyPoolChangeTest, MoreGroupsMayBeAskedForThanHaveGivenASeed) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  EntropyPool::Options options = With(members_);
  options.min_healthy_groups = 2;
  Apply(options);
  EXPECT_FALSE(pool_->State().ready());
  options.min_healthy_groups = 1;
  Apply(options);
  EXPECT_TRUE(pool_->State().ready());
}

TEST_F(EntropyPoolChangeTest, AgeAndIntervalOfSeedsAreThoseOfTheNewConfiguration) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  Apply(With(members_));
  Add(0, kBlockSamples);
  Add(1, kBlockSamples);
  clock_.Advance(absl::Seconds(3));
  EXPECT_FALSE(pool_->Wants(0));
  EntropyPool::Options options = With(members_);
  options.reseed_interval_nanos = kSecondNanos;
  options.max_seed_age_nanos = 5 * kSecondNanos;
  Apply(options);
  EXPECT_TRUE(pool_->Wants(0));
  EXPECT_TRUE(pool_->State().ready());
  clock_.Advance(absl::Seconds(2));
  EXPECT_FALSE(pool_->State().ready());
}

TEST_F(EntropyPoolChangeTest, AStoreOfAnotherSizeKeepsItsBytes) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 20 * kBlockSamples);
  const uint64_t stored = Now().available_bytes();
  ASSERT_GT(stored, 512u);
  EntropyPool::Options options = With(members_, v1::QUALITY_FULL);
  options.capacity_bytes = 8192;
  Apply(options);
  EXPECT_EQ(Now().available_bytes(), stored);
  EXPECT_EQ(Now().capacity_bytes(), 8192u);
  EXPECT_TRUE(Read(64).ok());
  options.capacity_bytes = 512;
  Apply(options);
  EXPECT_EQ(Now().available_bytes(), 512u);
  EXPECT_TRUE(Read(512).ok());
}

TEST_F(EntropyPoolChangeTest, StoredBytesOfAGroupThatIsGoneAreDropped) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 20 * kBlockSamples);
  ASSERT_GT(Now().available_bytes(), 0u);
  Apply(With({cpu_}, v1::QUALITY_FULL));
  EXPECT_EQ(Now().available_bytes(), 0u);
}

TEST_F(EntropyPoolChangeTest, AReaderFromBeforeGivesOn) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  ASSERT_TRUE(Read(1000).ok());
  for (int i = 0; i < 50; ++i) {
    const std::vector<int> numbers =
        Apply(i % 2 == 0 ? With({board_, usb_}) : With({board_, cpu_}));
    ASSERT_EQ(numbers[0], 0);
    ASSERT_LE(numbers[1], 2) << "numbers are used again";
    ASSERT_TRUE(Read(1000).ok()) << i;
  }
}

TEST_F(EntropyPoolChangeTest, APreparedChangeThatIsDroppedHasChangedNothing) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  ASSERT_TRUE(pool_->Prepare(With({usb_}), arena_.get()).ok());
  EXPECT_FALSE(pool_->State().degraded());
  EXPECT_EQ(Now().sources_size(), 3);
}

TEST_F(EntropyPoolChangeTest, TheSeriesOfAPoolEndWithIt) {
  Make(v1::QUALITY_DRBG);
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("entropyd_pool_ready{pool=\"default\"}"));
  reader_.reset();
  pool_.reset();
  EXPECT_THAT(metrics_.Serialize(), Not(HasSubstr("pool=\"default\"")));
}

}  // namespace
}  // namespace entropyd
