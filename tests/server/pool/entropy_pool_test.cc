#include "server/pool/entropy_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr absl::Duration kReseed = absl::Seconds(60);
constexpr absl::Duration kMaxAge = absl::Minutes(10);

class EntropyPoolTest : public ::testing::Test {
 protected:
  // Members 0 and 1 form a group each and are worth 4 bits per byte: 144 bytes make a block.
  static constexpr size_t kBlockSamples = 144;

  void Make(v1::Quality quality, uint32_t min_groups = 1, size_t capacity = 4096) {
    EntropyPool::Options options;
    options.name = "default";
    options.quality = quality;
    options.members = members_;
    options.min_healthy_groups = min_groups;
    options.capacity_bytes = capacity;
    options.reseed_interval_nanos = absl::ToInt64Nanoseconds(kReseed);
    options.max_seed_age_nanos = absl::ToInt64Nanoseconds(kMaxAge);
    options.max_bytes_per_seed = max_bytes_per_seed_;
    pool_ = EntropyPool::Create(options, provider_.get(), arena_.get(), &clock_, &log_, &metrics_)
                .value();
    pool_->SetChangeCallback([this] { ++changes_; });
    pool_->SetWakeCallback([this] { ++wakes_; });
    reader_ = pool_->NewReader();
  }

  void Healthy(int member) { pool_->SetSourceState(member, v1::SOURCE_STATE_HEALTHY); }

  double Add(int member, size_t bytes) {
    std::vector<uint8_t> samples(bytes);
    for (uint8_t& b : samples) b = static_cast<uint8_t>(generator_());
    return pool_->Add(member, samples);
  }

  absl::Status Read(size_t bytes, std::vector<uint8_t>* out = nullptr) {
    std::vector<uint8_t> buffer(bytes, 0xee);
    absl::Status status =
        reader_->Read(absl::MakeSpan(buffer), pool_->State().discard_epoch).status();
    if (!status.ok()) {
      EXPECT_EQ(buffer, std::vector<uint8_t>(bytes, 0)) << "cleansed on error";
    }
    if (out != nullptr) *out = buffer;
    return status;
  }

  void ReadyWithOneGroup() {
    Healthy(0);
    Add(0, kBlockSamples);
    ASSERT_TRUE(pool_->State().ready()) << pool_->State().Text();
  }
  void ReadyWithTwoGroups() {
    for (int member : {0, 1}) {
      Healthy(member);
      Add(member, kBlockSamples);
    }
    ASSERT_TRUE(pool_->State().ready());
    ASSERT_FALSE(pool_->State().degraded());
  }

  ManualClock clock_{1'000'000'000};
  EventLog log_{&clock_};
  Metrics metrics_;
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(256 << 10, SecretArena::Locking::kBestEffort).value();
  const std::unique_ptr<SeedProvider> provider_ = SeedProvider::Create().value();
  std::vector<EntropyPool::Member> members_ = {
      {.source = "trng0", .group = "board", .min_entropy = 4},
      {.source = "cpu", .group = "cpu", .min_entropy = 4},
      {.source = "soft", .group = "host", .min_entropy = 0, .software = true},
  };
  uint64_t max_bytes_per_seed_ = EntropyPool::kMaxBytesPerSeed;
  std::mt19937_64 generator_{7};
  std::atomic<int> changes_{0};
  std::atomic<int> wakes_{0};
  std::unique_ptr<EntropyPool> pool_;
  std::unique_ptr<PoolReader> reader_;
};

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

TEST_F(EntropyPoolTest, M12_ReadersNeverShareOutput) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::set<std::vector<uint8_t>> seen;
  std::vector<std::unique_ptr<PoolReader>> readers;
  for (int i = 0; i < 8; ++i) readers.push_back(pool_->NewReader());
  for (int round = 0; round < 100; ++round) {
    for (auto& reader : readers) {
      std::vector<uint8_t> out(16);
      ASSERT_TRUE(reader->Read(absl::MakeSpan(out), 0).ok());
      EXPECT_TRUE(seen.insert(out).second);
    }
  }
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

TEST_F(EntropyPoolTest, M16_ReaderFollowsTheRootToEachNewSeedAtOnce) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::vector<uint8_t> out(16);
  EXPECT_EQ(reader_->Read(absl::MakeSpan(out), 0).value(), 1u);
  Healthy(1);
  Add(1, kBlockSamples);
  EXPECT_EQ(reader_->Read(absl::MakeSpan(out), 0).value(), 2u);
}

TEST_F(EntropyPoolTest, ReaderTakesANewSeedAfterManyCallsOrMuchTime) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const auto seeds = [this] {
    pool_->Tick();
    const std::string text = metrics_.Serialize();
    const std::string name = "entropyd_pool_reader_seeds_total{pool=\"default\"} ";
    return std::stoi(text.substr(text.find("\n" + name) + 1 + name.size()));
  };
  for (uint32_t i = 0; i < EntropyPool::kCallsPerChildSeed; ++i) ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 1);
  ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 2);
  clock_.Advance(kReseed);
  ASSERT_TRUE(Read(16).ok());
  EXPECT_EQ(seeds(), 3);
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
  EXPECT_THAT(log_.events, Contains("pool.suspended"));
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
  EXPECT_THAT(log_.events, Contains("pool.discarded"));
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
  EXPECT_THAT(log_.events, Contains("pool.regrouped"));
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
  EXPECT_THAT(log_.events, ::testing::Not(Contains("pool.regrouped")));
}

TEST_F(EntropyPoolTest, ARootOfItsOwnChangesNothing) {
  Make(v1::QUALITY_DRBG, 2);
  ReadyWithTwoGroups();
  pool_->SetSourceRoot(0, "device 188:0");
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_THAT(log_.events, ::testing::Not(Contains("pool.regrouped")));
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

TEST_F(EntropyPoolTest, M12_FullPoolGivesEachByteOnceAndNoMoreThanItHas) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  EXPECT_EQ(pool_->Available(), 0u) << "the first block is the seed";
  Add(0, 3 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 192u);
  EXPECT_TRUE(absl::IsUnavailable(Read(193)));
  EXPECT_EQ(pool_->Available(), 192u) << "a refused read takes nothing";
  EXPECT_TRUE(Read(100).ok());
  EXPECT_EQ(pool_->Available(), 92u);
  EXPECT_TRUE(Read(92).ok());
  EXPECT_TRUE(absl::IsUnavailable(Read(1)));
  EXPECT_EQ(pool_->Snapshot().delivered_bytes(), 192u);
}

TEST_F(EntropyPoolTest, FullPoolDeliversNearlyEightNinthsOfTheCredit) {
  Make(v1::QUALITY_FULL, 1, 1 << 16);
  Healthy(0);
  double credited = 0;
  for (int i = 0; i < 100; ++i) credited += Add(0, 100 + i);
  EXPECT_LE(8.0 * static_cast<double>(pool_->Available()), credited * 512 / 576);
  EXPECT_GE(8.0 * static_cast<double>(pool_->Available()), 0.95 * credited * 512 / 576 - 512);
}

TEST_F(EntropyPoolTest, FullPoolStopsAtItsCapacityAndWakesItsSourcesWhenItHasRoom) {
  Make(v1::QUALITY_FULL, 1, 4096);
  ReadyWithOneGroup();
  Add(0, 100 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 4096u);
  EXPECT_FALSE(pool_->Wants(0));
  const int wakes = wakes_;
  EXPECT_TRUE(Read(64).ok());
  EXPECT_EQ(wakes_, wakes + 1);
  EXPECT_TRUE(pool_->Wants(0));
}

TEST_F(EntropyPoolTest, FullPoolTellsWhenBytesArriveInAnEmptyPool) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  const int changes = changes_;
  Add(0, kBlockSamples);
  EXPECT_EQ(changes_, changes + 1);
}

TEST_F(EntropyPoolTest, StoredBlocksOfAFailedSourceAreDroppedAndTheOthersKept) {
  Make(v1::QUALITY_FULL);
  ReadyWithTwoGroups();
  Add(0, 3 * kBlockSamples);
  Add(1, 2 * kBlockSamples);
  EXPECT_EQ(pool_->Available(), 5 * 64u);
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  EXPECT_EQ(pool_->Available(), 2 * 64u);
  EXPECT_TRUE(Read(128).ok());
}

TEST_F(EntropyPoolTest, M9_FullPoolServesWhatIsStoredAndIsSuspendedWhenNothingCanCome) {
  Make(v1::QUALITY_FULL);
  ReadyWithOneGroup();
  Add(0, kBlockSamples);
  pool_->SetSourceState(0, v1::SOURCE_STATE_GONE);
  EXPECT_TRUE(pool_->State().ready());
  EXPECT_TRUE(Read(64).ok());
  EXPECT_FALSE(pool_->State().ready());
  EXPECT_THAT(pool_->State().Text(), HasSubstr("no bytes stored: trng0 is gone"));
}

TEST_F(EntropyPoolTest, SoftwareOnlyPoolIsMarkedWhereverItShows) {
  members_ = {{.source = "soft", .group = "host", .min_entropy = 4, .software = true}};
  Make(v1::QUALITY_DRBG);
  EXPECT_THAT(log_.events, Contains("pool.software_only"));
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

TEST_F(EntropyPoolTest, FirstBlockOfEveryReaderIsExaminedAndThenOneInTwoHundredAndFiftySix) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  const auto expect_blocks = [this](int examined) {
    pool_->Tick();
    const std::string text = metrics_.Serialize();
    EXPECT_THAT(text, HasSubstr(absl::StrCat("entropyd_pool_output_blocks_examined_total"
                                             "{pool=\"default\"} ",
                                             examined, "\n")));
    // Three ideal blocks of three fail once in 10^9 runs.
    int passed = 0;
    const std::string line =
        "entropyd_pool_output_blocks_total{pool=\"default\",result=\"passed\"} ";
    ASSERT_THAT(text, HasSubstr(line));
    ASSERT_TRUE(absl::SimpleAtoi(text.substr(text.find(line) + line.size(), 1), &passed));
    EXPECT_GE(passed, examined - 2);
    EXPECT_LE(passed, examined);
  };
  expect_blocks(0);
  ASSERT_TRUE(Read(2400).ok());
  expect_blocks(0);
  ASSERT_TRUE(Read(100).ok());
  expect_blocks(1);
  ASSERT_TRUE(Read(255 * 2500 + 2499).ok());
  expect_blocks(1);
  ASSERT_TRUE(Read(1).ok());
  expect_blocks(2);
  reader_ = pool_->NewReader();
  ASSERT_TRUE(Read(2500).ok());
  expect_blocks(3);
  pool_->SetSourceState(0, v1::SOURCE_STATE_LATCHED);
  reader_ = pool_->NewReader();
  ASSERT_FALSE(Read(1 << 20).ok());
  expect_blocks(3);  // what was not delivered is no output
}

TEST_F(EntropyPoolTest, FreshSeedIsWantedAfterMuchOutput) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::vector<uint8_t> out(1 << 20);
  for (uint64_t done = 0; done < EntropyPool::kReseedBytes; done += out.size()) {
    ASSERT_FALSE(pool_->Wants(0));
    ASSERT_TRUE(reader_->Read(absl::MakeSpan(out), 0).ok());
  }
  EXPECT_TRUE(pool_->Wants(0));
  EXPECT_EQ(wakes_, 1);
}

TEST_F(EntropyPoolTest, M9_DrbgPoolStopsAfterSoManyBytesWithoutASeed) {
  max_bytes_per_seed_ = 10'000;
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  ASSERT_TRUE(Read(9'999).ok());
  ASSERT_TRUE(Read(1).ok());
  EXPECT_TRUE(absl::IsUnavailable(Read(1))) << "even before the next tick";
  EXPECT_THAT(pool_->State().Text(), HasSubstr("no seed since 10000 bytes"));
  pool_->Tick();
  EXPECT_THAT(log_.events, Contains("pool.suspended"));
  EXPECT_EQ(pool_->Available(), 0u);
  clock_.Advance(kReseed);
  Add(0, kBlockSamples);
  EXPECT_TRUE(Read(10'000).ok());
}

// Sources of two groups give, fail, vanish and return at random, while readers read at random.
// Delivered and stored bytes together are never worth more than 512 bits for each 576 credited, and
// the credit is never more than the claim.
TEST_F(EntropyPoolTest, M8_FullPoolNeverDeliversMoreThanEightNinthsOfTheCreditWhateverHappens) {
  members_.push_back({.source = "trng1", .group = "board", .min_entropy = 2.5});
  Make(v1::QUALITY_FULL, 1, 4096);
  double credited = 0;
  uint64_t read = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int member = static_cast<int>(generator_() % members_.size());
    const uint64_t dice = generator_() % 100;
    if (dice < 50) {
      const size_t samples = generator_() % 400;
      const double credit = Add(member, samples);
      ASSERT_LE(credit, members_[member].min_entropy * static_cast<double>(samples));
      credited += credit;
    } else if (dice < 90) {
      const size_t bytes = generator_() % 200;
      if (Read(bytes).ok()) read += bytes;
    } else if (dice < 97) {
      Healthy(member);
    } else if (dice < 98) {
      pool_->SetSourceState(member, v1::SOURCE_STATE_QUARANTINED);
    } else if (dice < 99) {
      pool_->SetSourceState(member, v1::SOURCE_STATE_GONE);
    } else {
      clock_.Advance(kReseed / 2);
    }
    const v1::Pool now = pool_->Snapshot();
    ASSERT_EQ(now.delivered_bytes(), read);
    ASSERT_LE(8.0 * static_cast<double>(read + now.available_bytes()), credited * 512 / 576);
  }
  EXPECT_GT(read, 100'000u);
}

// Readers come and go, reads are refused half way, sources fail and return. No aligned block of 16
// bytes is ever given twice, and a refused read gives nothing.
TEST_F(EntropyPoolTest, M12_NoByteIsGivenTwiceUnderRandomAborts) {
  for (const v1::Quality quality : {v1::QUALITY_DRBG, v1::QUALITY_FULL}) {
    Make(quality, 1, 1 << 16);
    ReadyWithTwoGroups();
    std::set<std::string> seen;
    uint64_t blocks = 0, refused = 0;
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t dice = generator_() % 100;
      const int member = static_cast<int>(generator_() % 2);
      if (dice < 20) {
        Add(member, generator_() % 800);
      } else if (dice < 25) {
        reader_ = pool_->NewReader();
      } else if (dice < 27) {
        pool_->SetSourceState(member, v1::SOURCE_STATE_QUARANTINED);
        Healthy(member);
      } else {
        // Planned under an epoch that may have passed, and more than may be stored.
        std::vector<uint8_t> out(16 * (1 + generator_() % 16), 0xee);
        const uint64_t epoch = pool_->State().discard_epoch - (dice > 95);
        if (!reader_->Read(absl::MakeSpan(out), epoch).ok()) {
          ASSERT_EQ(out, std::vector<uint8_t>(out.size(), 0));
          ++refused;
          continue;
        }
        for (auto at = out.begin(); at != out.end(); at += 16, ++blocks) {
          ASSERT_TRUE(seen.emplace(at, at + 16).second) << "a block came twice";
        }
      }
    }
    EXPECT_GT(blocks, 1000u);
    EXPECT_GT(refused, 100u);
  }
}

// The child would get the parent's next bytes. So the DRBG refuses, and the pool stops.
TEST_F(EntropyPoolTest, M14_ForkedChildGetsNothingAndItsPoolStops) {
  for (const v1::Quality quality : {v1::QUALITY_DRBG, v1::QUALITY_FULL}) {
    Make(quality);
    ReadyWithOneGroup();
    Add(0, 3 * kBlockSamples);
    ASSERT_TRUE(Read(16).ok());
    const pid_t child = fork();
    if (child == 0) {
      const bool failed = absl::IsInternal(Read(16));
      const bool latched = absl::IsUnavailable(Read(16)) && !pool_->State().ready() &&
                           absl::StartsWith(pool_->State().Text(), "failed: ");
      _exit(failed && latched && !HasFailure() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_TRUE(Read(16).ok());
  }
}

// Imitates a machine restored from a snapshot: two processes begin with the same memory and the
// same process id, so nothing in user space differs. Returns the bytes that each of them read, ""
// for one that failed, or nothing when such processes are not allowed.
std::vector<std::string> DrawTwiceFromASnapshot(const std::function<void()>& prepare,
                                                const std::function<std::string()>& get) {
  constexpr int kForbidden = 77;
  int pipes[2][2];
  if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0) return {};
  const pid_t outer = fork();
  if (outer == 0) {
    // Each is the first of a PID namespace of its own: number 1.
    if (unshare(CLONE_NEWPID) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) _exit(kForbidden);
    const pid_t original = fork();
    if (original == 0) {
      prepare();
      if (unshare(CLONE_NEWPID) != 0) _exit(kForbidden);
      const pid_t copy = fork();
      const std::string drawn = get();
      const int to = pipes[copy == 0][1];
      if (getpid() != 1 || write(to, drawn.data(), drawn.size()) < 0) _exit(1);
      if (copy != 0) waitpid(copy, nullptr, 0);
      _exit(0);
    }
    int status = 0;
    waitpid(original, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  std::vector<std::string> drawn;
  for (auto& ends : pipes) {
    close(ends[1]);
    char buffer[4096];
    const ssize_t n = read(ends[0], buffer, sizeof(buffer));
    drawn.emplace_back(buffer, static_cast<size_t>(n < 0 ? 0 : n));
    close(ends[0]);
  }
  int status = 0;
  waitpid(outer, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kForbidden) return {};
  return drawn;
}

TEST_F(EntropyPoolTest, M15_SnapshotNeverRepeats) {
  std::unique_ptr<CtrDrbg> bare;
  std::vector<uint8_t> without(32), with(32);
  const std::vector<std::string> drawn = DrawTwiceFromASnapshot(
      [&] {
        Make(v1::QUALITY_DRBG);
        ReadyWithOneGroup();
        bare = CtrDrbg::Create(provider_.get()).value();
        const std::vector<uint8_t> seed(CtrDrbg::kSeedBytes, 1);
        if (!Read(32).ok() || !bare->Instantiate(seed, "").ok()) _exit(1);
      },
      [&] {
        if (!bare->Generate(absl::MakeSpan(without), {}).ok() || !Read(32, &with).ok()) _exit(1);
        return std::string(without.begin(), without.end()) + std::string(with.begin(), with.end());
      });
  ASSERT_FALSE(drawn.empty()) << "no PID namespaces here: run as root, or allow user namespaces";
  ASSERT_EQ(drawn.size(), 2u);
  ASSERT_EQ(drawn[0].size(), 64u);
  ASSERT_EQ(drawn[1].size(), 64u);
  EXPECT_EQ(drawn[0].substr(0, 32), drawn[1].substr(0, 32)) << "a bare DRBG cannot know of it";
  EXPECT_NE(drawn[0].substr(32), drawn[1].substr(32)) << "a reader mixes in fresh bytes";
}

// Three readers read on threads of their own while the source fails.
TEST_F(EntropyPoolTest, NoReadBegunAfterTheFailureWasToldSucceeds) {
  Make(v1::QUALITY_DRBG);
  ReadyWithOneGroup();
  std::atomic<bool> told{false};
  std::atomic<int> reads{0}, late{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, reader = pool_->NewReader()] {
      std::vector<uint8_t> out(256);
      while (true) {
        const bool was_told = told;
        if (!reader->Read(absl::MakeSpan(out), 0).ok()) return;
        ++reads;
        late += was_told;
      }
    });
  }
  while (reads < 100) {
    pool_->Tick();
    Add(0, 64);
  }
  pool_->SetSourceState(0, v1::SOURCE_STATE_QUARANTINED);
  told = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(late, 0);
}

}  // namespace
}  // namespace entropyd
