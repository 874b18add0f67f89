// When a pool is ready: its seeds, its groups, and its sources that fail, vanish or turn out to be
// one.
#include "server/pool/entropy_pool.h"

#include <limits>
#include <string>

#include "tests/base/crypto/fixed_random.h"
#include "tests/server/pool/entropy_pool_fixture.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

using EntropyPoolTest = EntropyPoolFixture;

TEST_F(EntropyPoolTest, M10_NotReadyBeforeAFullSeed) {
  Make(v1::QUALITY_DRBG);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_EQ(pool_->Available(), 0u);
  EXPECT_THAT(pool_->State().Text(),
              HasSubstr("0 of 1 groups gave a fresh seed: trng0 is starting"));
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
  Healthy(0);
  Add(0, kBlockSamples - 1);
  EXPECT_FALSE(pool_->State().ready());
  const int changes = changes_;
  Add(0, 1);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_GT(changes_, changes);
  EXPECT_EQ(pool_->State().seed_generation, 1u);
  EXPECT_EQ(pool_->Available(), std::numeric_limits<uint64_t>::max());
  EXPECT_TRUE(Read(16).ok());
}

TEST_F(EntropyPoolTest, M5_SourcesThatAreNotHealthyGiveNothing) {
  Make(v1::QUALITY_DRBG);
  EXPECT_EQ(Add(0, 4096), 0);
  EXPECT_FALSE(pool_->State().ready());
  Healthy(0);
  EXPECT_DOUBLE_EQ(Add(0, 100), 400);
}

TEST_F(EntropyPoolTest, M10_MinimumOfTwoGroupsNeedsASeedFromEach) {
  Make(v1::QUALITY_DRBG, 2);
  Healthy(0);
  Healthy(1);
  Add(0, 10 * kBlockSamples);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("1 of 2 groups"));
  Add(1, kBlockSamples);
  EXPECT_TRUE(pool_->State().ready());
}

TEST_F(EntropyPoolTest, SourceWithoutCreditNeverMakesThePoolReady) {
  Make(v1::QUALITY_DRBG);
  Healthy(2);
  EXPECT_EQ(Add(2, 1 << 16), 0);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_FALSE(pool_->Wants(2));
}

TEST_F(EntropyPoolTest, SeedsAreWantedAtTheIntervalAndNotBefore) {
  Make(v1::QUALITY_DRBG);
  Healthy(0);
  EXPECT_TRUE(pool_->Wants(0));
  Add(0, kBlockSamples);
  EXPECT_FALSE(pool_->Wants(0));
  clock_.Advance(kReseed - absl::Nanoseconds(1));
  EXPECT_FALSE(pool_->Wants(0));
  Add(0, 10 * kBlockSamples);
  EXPECT_EQ(pool_->State().seed_generation, 1u);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(pool_->Wants(0));
  Add(0, 1);
  EXPECT_EQ(pool_->State().seed_generation, 2u);
}

TEST_F(EntropyPoolTest, MinimumOfTwoGroupsHoldsOnlyWhileBothSeedsAreFresh) {
  Make(v1::QUALITY_DRBG, 2);
  Healthy(0);
  Healthy(1);
  Add(0, kBlockSamples);
  clock_.Advance(kMaxAge / 2);
  Add(1, kBlockSamples);
  clock_.Advance(kMaxAge / 2 - absl::Nanoseconds(1));
  EXPECT_TRUE(Read(16).ok());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
}

TEST_F(EntropyPoolTest, M9_SuspendedWhenTheSeedIsTooOld) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  clock_.Advance(kMaxAge - absl::Nanoseconds(1));
  EXPECT_TRUE(Read(16).ok());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(absl::IsUnavailable(Read(16))) << "even before the next tick";
  EXPECT_FALSE(pool_->State().ready());
  const int changes = changes_;
  pool_->Tick();
  EXPECT_GT(changes_, changes);
  EXPECT_THAT(log_.events(), Contains("pool.suspended"));
  Add(0, kBlockSamples);
  EXPECT_TRUE(Read(16).ok());
  EXPECT_EQ(pool_->State().discard_epoch, 0u) << "old is not bad";
}

TEST_F(EntropyPoolTest, MissingDeviceDegradesAndServesOnUntilTheSeedIsTooOld) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  pool_->SetSourceState(0, v1::SOURCE_STATE_GONE);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(pool_->State().degraded());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("trng0 is gone"));
  EXPECT_TRUE(Read(16).ok());
  clock_.Advance(kMaxAge);
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
}

TEST_F(EntropyPoolTest, FailureOfTheOnlySourceDiscardsEverything) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const uint64_t planned_under = pool_->State().discard_epoch;
  const int changes = changes_;
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_GT(changes_, changes);
  EXPECT_EQ(pool_->State().discard_epoch, planned_under + 1);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(log_.events(), Contains("pool.discarded"));
  std::vector<uint8_t> out(16, 0xee);
  EXPECT_TRUE(absl::IsAborted(reader_->Read(absl::MakeSpan(out), planned_under).status()));
  EXPECT_EQ(out, std::vector<uint8_t>(16, 0));
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
  // A fresh seed, made only of bytes from after the failure, makes it ready again.
  Healthy(0);
  EXPECT_FALSE(pool_->State().ready());
  Add(0, kBlockSamples - 1);
  EXPECT_FALSE(pool_->State().ready());
  Add(0, 1);
  EXPECT_TRUE(Read(16).ok());
  EXPECT_TRUE(absl::IsAborted(reader_->Read(absl::MakeSpan(out), planned_under).status()));
}

TEST_F(EntropyPoolTest, HalfCollectedSeedOfAFailedSourceIsDropped) {
  Make(v1::QUALITY_DRBG);
  Healthy(0);
  Add(0, kBlockSamples - 1);
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  Healthy(0);
  Add(0, kBlockSamples - 1);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_EQ(pool_->State().discard_epoch, 0u) << "nothing was given out";
}

TEST_F(EntropyPoolTest, FailureOfOneOfTwoGroupsStallsNobody) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  const int wakes = wakes_;
  pool_->SetSourceState(0, v1::SOURCE_STATE_LATCHED);
  EXPECT_TRUE(Read(64).ok());
  EXPECT_EQ(pool_->State().discard_epoch, 0u);
  EXPECT_TRUE(pool_->State().degraded());
  EXPECT_TRUE(pool_->Wants(1)) << "a fresh seed at once";
  EXPECT_GT(wakes_, wakes);
  pool_->SetSourceState(1, v1::SOURCE_STATE_LATCHED);
  EXPECT_EQ(pool_->State().discard_epoch, 1u);
  EXPECT_FALSE(Read(64).ok());
}

TEST_F(EntropyPoolTest, FailureBelowTheMinimumOfGroupsSuspends) {
  Make(v1::QUALITY_DRBG, 2);
  ReadyWithTwoGroups();
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_EQ(pool_->State().discard_epoch, 0u) << "the other group's seed was good";
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
}

TEST_F(EntropyPoolTest, M7_SourcesOfOneRootCountOnceWhateverTheirGroups) {
  members_[0].root = members_[1].root = "device 10:183";
  Make(v1::QUALITY_FULL);
  for (const int member : {0, 1}) Healthy(member);
  // Each gives half a block's worth: together they are worth as much as one of them.
  for (const int member : {0, 1}) Add(member, kBlockSamples / 2);
  EXPECT_FALSE(pool_->State().ready());
  Add(0, kBlockSamples / 2);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_EQ(pool_->Snapshot().healthy_groups(), 1u);
}

TEST_F(EntropyPoolTest, M7_SourceThatTurnsOutToBeAnotherCountsWithItFromThenOn) {
  members_[0].root = "device 188:0";
  members_[1].root = "device 188:1";
  Make(v1::QUALITY_DRBG, 2);
  ReadyWithTwoGroups();
  pool_->SetSourceRoot(1, "device 188:0");
  EXPECT_THAT(log_.events(), Contains("pool.regrouped"));
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("1 of 2 groups"));
  for (const int member : {0, 1}) Add(member, kBlockSamples);
  EXPECT_FALSE(pool_->State().ready());
  // They count apart again once each has given a seed.
  pool_->SetSourceRoot(1, "device 188:1");
  EXPECT_FALSE(pool_->State().ready());
  for (const int member : {0, 1}) Add(member, kBlockSamples);
  EXPECT_TRUE(pool_->State().ready());
}

TEST_F(EntropyPoolTest, M7_ASourceThatFailsTakesTheSeedOfWhatItWasTakenForWithIt) {
  Make(v1::QUALITY_DRBG);
  ReadyWithTwoGroups();
  pool_->SetSourceRoot(0, "device 188:0");
  pool_->SetSourceRoot(1, "device 188:0");
  EXPECT_TRUE(pool_->State().ready());
  pool_->SetSourceState(1, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_EQ(pool_->State().discard_epoch, 1u);
}

// The group that gave the seed has been emptied since, and the bytes made from the seed are out.
TEST_F(EntropyPoolTest, M7_ASeedThatNoGroupHoldsAnyMoreIsDroppedWithTheSourceThatGaveIt) {
  Make(v1::QUALITY_DRBG);
  for (const int member : {0, 1}) Healthy(member);
  Add(1, kBlockSamples);
  ASSERT_TRUE(Read(16).ok());
  const uint64_t epoch = pool_->State().discard_epoch;
  pool_->SetSourceRoot(0, "device 188:0");
  pool_->SetSourceRoot(1, "device 188:0");  // it counts with the first one from now on
  ASSERT_FALSE(pool_->State().ready());
  pool_->SetSourceState(1, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_EQ(pool_->State().discard_epoch, epoch + 1) << "agents hold bytes of it";
  EXPECT_THAT(log_.events(), Contains("pool.discarded"));
  Healthy(1);
  pool_->SetSourceState(1, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_EQ(pool_->State().discard_epoch, epoch + 1) << "nothing was given out since";
}

// Two devices, and the second one has had the number of the first for a while.
TEST_F(EntropyPoolTest, M7_NoSeedStaysBehindWithASourceThatDidNotGiveIt) {
  members_[0].root = members_[1].root = "device 188:0";
  Make(v1::QUALITY_DRBG, 2);
  for (const int member : {0, 1}) Healthy(member);
  Add(1, kBlockSamples);
  // The first one is another device after all. What lies in its group is the second one's.
  pool_->SetSourceRoot(0, "device 188:1");
  Add(1, kBlockSamples);
  EXPECT_FALSE(pool_->State().ready()) << "all of it came from one of the two";
  Add(0, kBlockSamples);
  EXPECT_TRUE(pool_->State().ready());
}

TEST_F(EntropyPoolTest, WhatASourceWithoutCreditGaveGoesWhenItFails) {
  const FixedRandom zeros;
  const auto bytes_after = [this](bool mixes, bool fails) {
    reader_.reset();
    Make(v1::QUALITY_DRBG);
    for (const int member : {0, 2}) Healthy(member);
    if (mixes) pool_->Add(2, std::vector<uint8_t>(100, 7));
    if (fails) pool_->SetSourceState(2, v1::SOURCE_STATE_QUARANTINED);
    pool_->Add(0, std::vector<uint8_t>(kBlockSamples, 9));
    std::vector<uint8_t> out;
    EXPECT_TRUE(Read(64, &out).ok());
    return out;
  };
  const std::vector<uint8_t> without = bytes_after(false, false);
  EXPECT_EQ(bytes_after(false, false), without) << "nothing else is in them";
  EXPECT_NE(bytes_after(true, false), without);
  EXPECT_EQ(bytes_after(true, true), without);
}

TEST_F(EntropyPoolTest, ASourceWithoutCreditMovesNobody) {
  members_[0].root = "a daemon";
  members_[0].min_entropy = 0;
  members_[1].root = "device 10:183";
  Make(v1::QUALITY_DRBG);
  for (const int member : {0, 1}) Healthy(member);
  Add(1, kBlockSamples);
  ASSERT_TRUE(pool_->State().ready());
  pool_->SetSourceRoot(0, "device 10:183");
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_THAT(log_.events(), ::testing::Not(Contains("pool.regrouped")));
}

TEST_F(EntropyPoolTest, ARootOfItsOwnChangesNothing) {
  Make(v1::QUALITY_DRBG, 2);
  ReadyWithTwoGroups();
  pool_->SetSourceRoot(0, "device 188:0");
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_THAT(log_.events(), ::testing::Not(Contains("pool.regrouped")));
}

TEST_F(EntropyPoolTest, M7_SourcesOfOneGroupCountOnce) {
  members_[1].group = "board";
  Make(v1::QUALITY_DRBG);
  Healthy(0);
  Healthy(1);
  Add(0, kBlockSamples / 2);
  Add(1, kBlockSamples / 2);
  EXPECT_FALSE(pool_->State().ready());
  Add(1, kBlockSamples / 2);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_EQ(pool_->Snapshot().healthy_groups(), 1u);
}

TEST_F(EntropyPoolTest, SoftwareOnlyPoolIsMarkedWhereverItShows) {
  members_ = {{.source = "soft", .group = "host", .min_entropy = 4, .software = true}};
  Make(v1::QUALITY_DRBG);
  EXPECT_THAT(log_.events(), Contains("pool.software_only"));
  ReadyWithOneGroup();
  EXPECT_TRUE(pool_->State().degraded());
  EXPECT_EQ(pool_->State().Text(), "software sources only");
  EXPECT_TRUE(pool_->Snapshot().software_only());
  pool_->Tick();
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("entropyd_pool_software_only{pool=\"default\"} 1"));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("entropyd_pool_degraded{pool=\"default\"} 1"));
}

TEST_F(EntropyPoolTest, M11_FailedPoolStaysStopped) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  pool_->Fail("self-test CTR_DRBG: wrong answer");
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("wrong answer"));
  EXPECT_FALSE(pool_->Wants(0));
  Add(0, 10 * kBlockSamples);
  EXPECT_TRUE(absl::IsUnavailable(Read(16)));
}

TEST_F(EntropyPoolTest, MetricsTellTheState) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, 2 * kBlockSamples);
  ASSERT_TRUE(Read(28).ok());
  clock_.Advance(absl::Seconds(5));
  pool_->Tick();
  const std::string text = metrics_.Serialize();
  for (const char* line : {"entropyd_pool_info{pool=\"default\",quality=\"full\"} 1",
                           "entropyd_pool_ready{pool=\"default\"} 1",
                           "entropyd_pool_available_bytes{pool=\"default\"} 100",
                           "entropyd_pool_healthy_groups{pool=\"default\"} 1",
                           "entropyd_pool_seed_generation{pool=\"default\"} 1",
                           "entropyd_pool_seed_age_seconds{pool=\"default\"} 5",
                           "entropyd_pool_delivered_bytes_total{pool=\"default\"} 28"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace entropyd
