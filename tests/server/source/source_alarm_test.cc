// A source whose samples are too unlikely: none of them leaves, and it must pass tests again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/server/source/source_rig.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(SourceTest, M2_ConstantSourceIsQuarantinedWithinCSamplesAndNoneOfTheRunLeaves) {
  // The run begins in turn at every place around the end of a block.
  for (size_t before_end = 0; before_end <= 20; ++before_end) {
    MakeSource();
    sink_.blocks.clear();
    device_.byte_at = nullptr;
    MakeHealthy();
    const uint64_t stuck_at = device_.offset + kBlock - before_end;
    uint64_t quarantined_at = 0;
    device_.max_read = 1;
    device_.byte_at = [&](uint64_t offset) {
      return offset >= stuck_at ? uint8_t{0xa5} : static_cast<uint8_t>(device_.generator() % 0xa5);
    };
    while (device_.offset < stuck_at + 9) {
      RunBytes(1);
      if (quarantined_at == 0 && State() != v1::SOURCE_STATE_HEALTHY) {
        quarantined_at = device_.offset;
      }
    }
    EXPECT_GT(quarantined_at, stuck_at);
    EXPECT_LE(quarantined_at, stuck_at + 9) << "C of bytes at 4 bits";
    for (const auto& block : sink_.blocks) {
      EXPECT_EQ(std::count(block.begin(), block.end(), 0xa5), 0) << before_end;
    }
    device_.max_read = SIZE_MAX;
  }
}

TEST_F(SourceTest, ReplayedRecordIsQuarantinedAtItsFourteenthByteAndNoneOfItLeaves) {
  std::vector<uint8_t> sent;
  uint64_t replay_from = UINT64_MAX;
  device_.byte_at = [&](uint64_t offset) {
    sent.push_back(offset < replay_from ? static_cast<uint8_t>(device_.generator())
                                        : sent[sent.size() - 100'000]);
    return sent.back();
  };
  MakeHealthy();
  RunBytes(60 * kBlock - 64);
  const size_t blocks = sink_.blocks.size();
  replay_from = device_.offset + 60;
  RunBytes(64);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  ASSERT_EQ(sink_.blocks.size(), blocks + 1);
  EXPECT_EQ(sink_.blocks.back().back(), sent[sent.size() - 1 - kTail]) << "before the replay";
  device_.max_read = 1;
  RunBytes(9);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  RunBytes(1);
  EXPECT_EQ(State(), v1::SOURCE_STATE_QUARANTINED);
  EXPECT_THAT(Reason(), HasSubstr("replay: 14 bytes in a row as 100000 bytes before, cutoff 14"));
  RunBytes(10);
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  EXPECT_EQ(source_->Snapshot().lag_failures(), 2u);
  EXPECT_EQ(sink_.blocks.size(), blocks + 1);
}

TEST_F(SourceTest, StuckSourceIsQuarantinedThenLatchedAndNoneOfItsBlockLeaves) {
  MakeHealthy();
  RunBytes(640);
  device_.byte_at = [](uint64_t) { return 0x5a; };
  device_.max_read = 1;
  RunBytes(8);
  EXPECT_EQ(State(), v1::SOURCE_STATE_QUARANTINED) << "two equal 32-bit words";
  RunBytes(8);
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED) << "a run of 16 bytes";
  EXPECT_TRUE(sink_.blocks.empty());
  EXPECT_THAT(sink_.states, ElementsAre(v1::SOURCE_STATE_HEALTHY, v1::SOURCE_STATE_QUARANTINED,
                                        v1::SOURCE_STATE_LATCHED));
  EXPECT_EQ(source_->Snapshot().rct_failures(), 2u);
  EXPECT_THAT(Reason(), HasSubstr("rct at bytes: 16 in a row, cutoff 16"));
}

TEST_F(SourceTest, LatchedSourceReadsNoMore) {
  device_.byte_at = [](uint64_t) { return 0; };
  RunFor(absl::Seconds(1));
  ASSERT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  const uint64_t offset = device_.offset;
  device_.byte_at = nullptr;
  RunFor(absl::Seconds(100));
  EXPECT_EQ(device_.offset, offset);
  EXPECT_EQ(device_.opens, 1);
  EXPECT_GE(device_.closes, 1);
}

TEST_F(SourceTest, OneThatBeginsLatchedOpensNothingUntilAnOperatorResetsIt) {
  source_->BeginLatched("rct at bytes: 16 in a row, cutoff 16");
  RunFor(absl::Seconds(10));
  EXPECT_EQ(device_.opens, 0);
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(Reason(), HasSubstr("16 in a row"));
  EXPECT_THAT(sink_.states, ElementsAre(v1::SOURCE_STATE_LATCHED));
  source_->Test(true, [](absl::StatusOr<v1::Source>) {});
  RunFor(absl::Seconds(2));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceTest, QuarantineEndsOnlyThroughStartUpTests) {
  MakeHealthy();
  const uint64_t repeat_at = device_.offset + 100;
  std::vector<uint8_t> sent;
  device_.byte_at = [&](uint64_t offset) {
    sent.push_back(offset >= repeat_at && offset < repeat_at + 4
                       ? sent[sent.size() - 4]
                       : static_cast<uint8_t>(device_.generator()));
    return sent.back();
  };
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_QUARANTINED);
  EXPECT_TRUE(sink_.blocks.empty()) << "the block with the repeated word is dropped whole";
  EXPECT_EQ(source_->Snapshot().startups(), 2u);
  RunBytes(2 * kBlock - 64);
  EXPECT_EQ(State(), v1::SOURCE_STATE_QUARANTINED);
  RunBytes(64);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_TRUE(sink_.blocks.empty());
  RunBytes(kBlock);
  EXPECT_EQ(sink_.blocks.size(), 1u);
}

TEST_F(SourceTest, BiasedSourceDeliversNothingOfTheWindowThatShowsIt) {
  MakeHealthy();
  // One value in every sixth byte: 2.6 bits of min-entropy where the claim is 4.
  device_.byte_at = [&](uint64_t offset) {
    return offset % 512 % 6 == 0 ? uint8_t{0} : static_cast<uint8_t>(device_.generator());
  };
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_QUARANTINED);
  EXPECT_TRUE(sink_.blocks.empty());
  EXPECT_EQ(source_->Snapshot().apt_failures(), 1u);
  EXPECT_THAT(Reason(), HasSubstr("apt at bytes"));
}

TEST_F(SourceTest, M3_SourceThatFailsAgainAndAgainIsLatched) {
  // One repeated word in every second block: no alarm latches by itself.
  std::vector<uint8_t> sent;
  device_.byte_at = [&](uint64_t offset) {
    const bool repeat = offset % (4 * kBlock) >= 104 && offset % (4 * kBlock) < 108;
    sent.push_back(repeat ? sent[sent.size() - 4] : static_cast<uint8_t>(device_.generator()));
    return sent.back();
  };
  RunBytes(8 * kBlock + 128);
  EXPECT_EQ(State(), v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(Reason(), HasSubstr("alarm 3 within 1000000 samples"));
}

}  // namespace
}  // namespace entropyd
