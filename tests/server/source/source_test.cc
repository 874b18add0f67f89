#include "server/source/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/driver/fake_driver.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A source of 32-bit words at 4 bits per byte: blocks of 2048 bytes, start-up after two of them.
class SourceTest : public ::testing::Test {
 protected:
  static constexpr size_t kBlock = 2048;
  static constexpr uint64_t kRate = 1'000'000;
  // The bytes of a block that stay until the next block: a replay is reported after 14 bytes, a run
  // after 9.
  static constexpr size_t kTail = 13;

  SourceTest() { MakeSource(); }

  void MakeSource() {
    SourceSpec spec;
    spec.name = "trng0";
    spec.driver = "fake";
    spec.identity.root = configured_root_;
    spec.identity.claims = {.group = "board",
                            .min_entropy = 4,
                            .health_min_entropy = 4,
                            .word_bytes = 4,
                            .max_rate = kRate,
                            .read_bytes = 64,
                            .silence_nanos = silence_nanos_};
    HealthMonitor test =
        HealthMonitor::Create({.min_entropy = 4, .word_bytes = 4}, arena_.get()).value();
    SecretBytes held = arena_->Allocate(Source::HeldBytes(test)).value();
    source_ = std::make_unique<Source>(spec, std::make_unique<FakeDriver>(&device_),
                                       std::move(test), std::move(held), &clock_, &log_);
    source_->AddSink(&sink_, 0);
  }

  // Steps the source and lets as much time pass as it asks for, until the device gave `bytes` more
  // (in reads of 64).
  void RunBytes(uint64_t bytes) {
    const uint64_t end = device_.offset + bytes;
    for (int i = 0; device_.offset < end; ++i) {
      ASSERT_LT(i, 1'000'000);
      clock_.Advance(source_->Step());
    }
  }
  void RunFor(absl::Duration duration) {
    const int64_t end = clock_.NowNanos() + absl::ToInt64Nanoseconds(duration);
    for (int i = 0; clock_.NowNanos() < end; ++i) {
      ASSERT_LT(i, 1'000'000);
      clock_.Advance(std::max(source_->Step(), absl::Nanoseconds(1)));
    }
  }
  void MakeHealthy() {
    RunBytes(2 * kBlock);
    ASSERT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  }

  v1::SourceState State() { return source_->Snapshot().state(); }
  std::string Reason() { return source_->Snapshot().reason(); }

  ManualClock clock_{1'000'000'000};
  EventLog log_{&clock_};
  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  FakeDevice device_;
  FakeSink sink_;
  std::string configured_root_;               // before MakeSource()
  int64_t silence_nanos_ = 2 * kSecondNanos;  // before MakeSource()
  std::unique_ptr<Source> source_;
};

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

TEST_F(SourceTest, MissingDeviceIsGoneAndOpenedEverySecond) {
  device_.open = absl::NotFoundError("open /dev/fake: no such device");
  RunFor(absl::Seconds(10));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no such device"));
  EXPECT_EQ(device_.opens, 10);
  EXPECT_EQ(std::count(log_.events.begin(), log_.events.end(), "source.gone"), 1);
  device_.open = absl::OkStatus();
  RunFor(absl::Seconds(2));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
}

TEST_F(SourceTest, M18_UnpluggedAndReplacedDeviceStartsAgainWithoutCredit) {
  MakeHealthy();
  RunBytes(640);
  device_.read = absl::UnavailableError("read /dev/fake: No such device");
  RunFor(absl::Milliseconds(100));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_EQ(source_->Snapshot().read_errors(), 1u);
  device_.read = absl::OkStatus();
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING);
  RunBytes(kBlock);
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_TRUE(sink_.blocks.empty()) << "what was held before the unplugging is dropped";
  EXPECT_EQ(source_->Snapshot().startups(), 2u);
}

TEST_F(SourceTest, DeviceThatOpensButGivesNothingStaysGone) {
  device_.read = absl::UnavailableError("read fifo: end of file, nobody writes");
  RunFor(absl::Seconds(5));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_EQ(std::count(log_.events.begin(), log_.events.end(), "source.gone"), 1)
      << "said once, not with every try";
}

TEST_F(SourceTest, M17_SilentDeviceIsGivenUpAfterTwoSeconds) {
  MakeHealthy();
  device_.silent = true;
  RunFor(absl::Milliseconds(1990));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  RunFor(absl::Milliseconds(20));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no byte for 2 s"));
}

TEST_F(SourceTest, ADeviceMayBeSilentForAsLongAsItsConfigurationSays) {
  silence_nanos_ = 30 * kSecondNanos;
  MakeSource();
  MakeHealthy();
  device_.silent = true;
  RunFor(absl::Milliseconds(29'980));
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  RunFor(absl::Milliseconds(40));
  EXPECT_EQ(State(), v1::SOURCE_STATE_GONE);
  EXPECT_THAT(Reason(), HasSubstr("no byte for 30 s"));
}

// 16 bytes every three seconds: 4096 of them take 13 minutes.
TEST_F(SourceTest, StartUpTestsCollectTheirSamplesAcrossPauses) {
  silence_nanos_ = 30 * kSecondNanos;
  MakeSource();
  device_.max_read = 16;
  for (size_t bytes = 0; bytes < 2 * kBlock; bytes += 16) {
    EXPECT_EQ(State(), v1::SOURCE_STATE_STARTING) << bytes;
    device_.silent = false;
    RunBytes(16);
    device_.silent = true;
    RunFor(absl::Seconds(3));
  }
  EXPECT_EQ(State(), v1::SOURCE_STATE_HEALTHY);
  EXPECT_EQ(source_->Snapshot().startups(), 1u);
  EXPECT_EQ(device_.opens, 1);
}

TEST_F(SourceTest, AFlappingDeviceIsToldOnce) {
  for (int i = 0; i < 30; ++i) {
    device_.read = absl::OkStatus();
    RunBytes(16);
    device_.read = absl::UnavailableError("read fifo: end of file, nobody writes");
    RunFor(absl::Seconds(1));
  }
  const auto told = [&](const char* event) {
    return std::count(log_.events.begin(), log_.events.end(), event);
  };
  EXPECT_EQ(told("source.gone"), 2);
  EXPECT_EQ(told("source.flapping"), 1);
  device_.read = absl::OkStatus();
  sink_.wants = false;  // few reads
  RunFor(absl::Seconds(70));
  EXPECT_EQ(told("source.settled"), 1);
}

TEST_F(SourceTest, EmptyDeviceIsAskedEveryTenMilliseconds) {
  device_.silent = true;
  source_->Step();
  EXPECT_EQ(source_->Step(), absl::Milliseconds(10));
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
  EXPECT_EQ(std::count(log_.events.begin(), log_.events.end(), "source.root"), 2);
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
