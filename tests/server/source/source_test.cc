#include "server/source/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/server/source/source_rig.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(SourceTest, M5_StartUpSamplesAreTestedAndNotCredited) {
  EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING);
  RunBytes(2 * kBlock - 64);
  EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING);
  RunBytes(64);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_TRUE(sink_.blocks.empty());
  EXPECT_EQ(source_->Snapshot().startups(), 1u);
  EXPECT_EQ(source_->Snapshot().credited_bits(), 0);
  RunBytes(kBlock);
  EXPECT_EQ(sink_.blocks.size(), 1u);
  EXPECT_DOUBLE_EQ(source_->Snapshot().credited_bits(), 4.0 * (kBlock - kTail));
  EXPECT_EQ(source_->Snapshot().raw_bytes(), 3 * kBlock);
}

TEST_F(SourceTest, BytesAreHeldUntilTheirWindowHasClosed) {
  MakeHealthy();
  RunBytes(kBlock - 64);
  EXPECT_TRUE(sink_.blocks.empty());
  RunBytes(64);
  ASSERT_EQ(sink_.blocks.size(), 1u);
  EXPECT_EQ(sink_.blocks[0].size(), kBlock - kTail);
  RunBytes(kBlock);
  ASSERT_EQ(sink_.blocks.size(), 2u);
  EXPECT_EQ(sink_.blocks[1].size(), kBlock) << "with the tail of the first";
}

TEST_F(SourceTest, NothingIsLostOrTwiceAtTheSeams) {
  std::vector<uint8_t> sent;
  device_.byte_at = [&](uint64_t) {
    sent.push_back(static_cast<uint8_t>(device_.generator()));
    return sent.back();
  };
  MakeHealthy();
  RunBytes(5 * kBlock);
  std::vector<uint8_t> delivered;
  for (const auto& block : sink_.blocks) {
    delivered.insert(delivered.end(), block.begin(), block.end());
  }
  const std::vector<uint8_t> passed(sent.begin() + 2 * kBlock, sent.end() - kTail);
  EXPECT_EQ(delivered, passed);
}

TEST_F(SourceTest, ShortReadsMakeTheSameBlocks) {
  device_.max_read = 7;
  MakeHealthy();
  RunBytes(kBlock);
  ASSERT_EQ(sink_.blocks.size(), 1u);
  EXPECT_EQ(sink_.blocks[0].size(), kBlock - kTail);
}

TEST_F(SourceTest, RateIsACeiling) {
  MakeHealthy();
  const uint64_t before = device_.offset;
  RunFor(absl::Seconds(2));
  EXPECT_LE(device_.offset - before, 2 * kRate + 4096);
  EXPECT_GE(device_.offset - before, 2 * kRate - 4096);
}

TEST_F(SourceTest, UnwantedSourceIsReadSlowlyAndAtFullRateOnceWanted) {
  MakeHealthy();
  sink_.wants = false;
  RunFor(absl::Seconds(10));  // at first what the pace allows to run ahead
  const uint64_t before = device_.offset;
  RunFor(absl::Seconds(10));
  EXPECT_NEAR(static_cast<double>(device_.offset - before), 10 * 1024, 128);
  sink_.wants = true;
  const uint64_t asked = device_.offset;
  RunFor(absl::Milliseconds(10));
  EXPECT_GE(device_.offset - asked, kRate / 100 - 4096);
}

TEST_F(SourceTest, LongIdleDoesNotSaveUpReads) {
  MakeHealthy();
  device_.silent = true;
  RunFor(absl::Milliseconds(1500));
  device_.silent = false;
  const uint64_t before = device_.offset;
  RunFor(absl::Milliseconds(100));
  EXPECT_LE(device_.offset - before, kRate / 10 + 4096);
}

TEST_F(SourceTest, EachBlockGoesToOnePoolAndFirstToOneThatWantsIt) {
  FakeSink second;
  source_->AddSink(&second, 3);
  MakeHealthy();
  RunBytes(4 * kBlock);
  EXPECT_EQ(sink_.blocks.size(), 2u);
  EXPECT_EQ(second.blocks.size(), 2u);
  for (const auto& block : sink_.blocks) {
    for (const auto& other : second.blocks) EXPECT_NE(block, other);
  }
  second.wants = false;
  RunBytes(3 * kBlock);
  EXPECT_EQ(sink_.blocks.size(), 5u);
  EXPECT_EQ(second.blocks.size(), 2u);
}

TEST_F(SourceTest, PoolsHearWhatTheDeviceTurnedOutToBeBeforeTheyGetItsBytes) {
  device_.root = "device 10:183";
  MakeHealthy();
  EXPECT_THAT(sink_.roots, ElementsAre("device 10:183"));
  EXPECT_TRUE(sink_.blocks.empty());
  RunBytes(3 * kBlock);
  EXPECT_THAT(sink_.roots, ElementsAre("device 10:183")) << "told once";
  device_.root = "device 188:0";
  device_.read = absl::UnavailableError("read /dev/fake: No such device");
  RunFor(absl::Milliseconds(100));
  device_.read = absl::OkStatus();
  RunFor(absl::Seconds(2));
  EXPECT_THAT(sink_.roots, ElementsAre("device 10:183", "device 188:0"));
  EXPECT_EQ(log_.Count("source.root"), 2);
}

// What it gave still rests on that device, and another source may open the device meanwhile.
TEST_F(SourceTest, M7_ASourceThatIsGoneKeepsTheRootOfItsDevice) {
  configured_root_ = "/dev/trng0";  // there was no device when the configuration was read
  MakeSource();
  device_.root = "device 188:0";
  MakeHealthy();
  device_.read = absl::UnavailableError("read /dev/fake: No such device");
  device_.open = absl::NotFoundError("open /dev/fake: No such file");
  RunFor(absl::Seconds(3));
  ASSERT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(sink_.roots, ElementsAre("device 188:0"));
  device_.root = "device 188:1";
  device_.read = device_.open = absl::OkStatus();
  RunFor(absl::Seconds(2));
  EXPECT_THAT(sink_.roots, ElementsAre("device 188:0", "device 188:1"));
}

TEST_F(SourceTest, HistoryTellsWhatHappenedAndWhenAndKeepsToItsLength) {
  MakeHealthy();
  device_.byte_at = [](uint64_t) { return 0; };
  RunBytes(64);
  v1::Source source = source_->Snapshot();
  ASSERT_EQ(source.history_size(), 2);
  EXPECT_EQ(source.history(0).state(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ(source.history(1).state(), v1::SOURCE_STATE_LATCHED);
  EXPECT_THAT(source.history(1).reason(), HasSubstr("rct"));
  EXPECT_GE(source.history(1).unix_seconds(), source.history(0).unix_seconds());
  device_.byte_at = nullptr;
  for (int i = 0; i < SourceStatus::kHistory / 2; ++i) {  // it vanishes, is tested, is healthy
    device_.read = absl::UnavailableError("read /dev/fake: No such device");
    source_->Test(true, [](auto) {});
    RunFor(absl::Milliseconds(20));
    device_.read = absl::OkStatus();
    RunFor(absl::Milliseconds(1020));
  }
  source = source_->Snapshot();
  EXPECT_EQ(source.history_size(), SourceStatus::kHistory);
  EXPECT_EQ(source.history(0).reason().find("rct"), std::string::npos) << "the oldest go";
  EXPECT_EQ(source.history(SourceStatus::kHistory - 1).state(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceTest, SnapshotTellsTheRate) {
  MakeHealthy();
  RunFor(absl::Seconds(5));
  EXPECT_NEAR(source_->Snapshot().raw_bytes_per_second(), kRate, kRate / 50.0);
}

TEST_F(SourceTest, ANewSinkHearsTheStateAndTheRootAtOnceAndOneThatGoesHearsNothing) {
  device_.root = "device 1:2";
  MakeHealthy();
  FakeSink other;
  source_->SetSinks({{&other, 3}});
  const size_t told = sink_.states.size();
  source_->Step();
  EXPECT_THAT(other.states, ElementsAre(v1::SOURCE_STATE_HEALTHY));
  EXPECT_THAT(other.roots, ElementsAre("device 1:2"));
  RunBytes(2 * kBlock);
  EXPECT_FALSE(other.blocks.empty());
  EXPECT_TRUE(sink_.blocks.empty());
  device_.read = absl::UnavailableError("unplugged");
  RunFor(absl::Seconds(1));
  EXPECT_EQ(other.states.back(), v1::SOURCE_STATE_GONE);
  EXPECT_EQ(sink_.states.size(), told);
}

TEST_F(SourceTest, ASinkThatStaysIsNotToldAgain) {
  MakeHealthy();
  FakeSink other;
  const size_t told = sink_.states.size();
  source_->SetSinks({{&sink_, 0}, {&other, 0}});
  source_->Step();
  EXPECT_EQ(sink_.states.size(), told);
  EXPECT_EQ(other.states.size(), 1u);
  source_->SetSinks({});
  RunBytes(3 * kBlock);  // gives to nobody
  EXPECT_TRUE(sink_.blocks.empty());
}

}  // namespace
}  // namespace entropyd
