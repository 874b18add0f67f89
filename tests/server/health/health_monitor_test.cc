#include "server/health/health_monitor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace entropyd {
namespace {

using Alarm = HealthMonitor::Alarm;

std::vector<uint8_t> IdealBytes(size_t n, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(generator());
  return bytes;
}

HealthMonitor Make(double min_entropy, int word_bytes) {
  return HealthMonitor::Create({.min_entropy = min_entropy, .word_bytes = word_bytes}).value();
}

// Feeds byte by byte and returns the alarms with the number of bytes fed when each came.
std::vector<std::pair<size_t, Alarm>> Alarms(HealthMonitor* test,
                                             const std::vector<uint8_t>& bytes) {
  std::vector<std::pair<size_t, Alarm>> alarms;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (auto alarm = test->Feed({&bytes[i], 1})) alarms.push_back({i + 1, *alarm});
  }
  return alarms;
}

TEST(HealthMonitorTest, IdealBytesRaiseNoAlarm) {
  for (const int width : {1, 4, 8}) {
    HealthMonitor test = Make(4, width);
    EXPECT_FALSE(test.Feed(IdealBytes(4 << 20, 1)).has_value()) << width;
    EXPECT_EQ(test.samples(), (4u << 20) / width);
  }
}

TEST(HealthMonitorTest, M3_ConstantBytesAlarmAtTheCutoffAndLatchAtTheNext) {
  HealthMonitor test = Make(4, 1);
  const auto alarms = Alarms(&test, std::vector<uint8_t>(16, 0x5a));
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_EQ(alarms[0].first, 9u);  // 1 + 30 / 4, rounded up
  EXPECT_EQ(alarms[0].second.test, HealthMonitor::Test::kRct);
  EXPECT_FALSE(alarms[0].second.permanent);
  EXPECT_EQ(alarms[1].first, 16u);  // 1 + 60 / 4
  EXPECT_TRUE(alarms[1].second.permanent);
  EXPECT_FALSE(alarms[1].second.recurrent);
}

TEST(HealthMonitorTest, RunOneShortOfTheCutoffPasses) {
  HealthMonitor test = Make(4, 1);
  std::vector<uint8_t> bytes(8, 0x5a);
  bytes.push_back(0);
  bytes.insert(bytes.end(), 8, 0x5a);
  EXPECT_TRUE(Alarms(&test, bytes).empty());
}

TEST(HealthMonitorTest, RunIsCountedAcrossBlocksAndCalls) {
  HealthMonitor test = Make(4, 1);
  std::vector<uint8_t> bytes = IdealBytes(test.block_bytes(), 2);
  std::fill(bytes.end() - 4, bytes.end(), 0x5a);
  EXPECT_FALSE(test.Feed(bytes).has_value());
  const auto alarms = Alarms(&test, std::vector<uint8_t>(5, 0x5a));
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].first, 5u);
}

TEST(HealthMonitorTest, BiasedBytesFailTheAdaptiveProportionTest) {
  HealthMonitor test = Make(4, 1);
  // The window's first value 71 times, never twice in a row: the cutoff for 4 bits.
  std::vector<uint8_t> bytes(512);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(1 + i % 255);
  for (size_t i = 0; i < 71; ++i) bytes[2 * i] = 0;
  const auto alarms = Alarms(&test, bytes);
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].first, 141u);  // the 71st
  EXPECT_EQ(alarms[0].second.test, HealthMonitor::Test::kApt);
  EXPECT_EQ(alarms[0].second.value, 71u);
}

TEST(HealthMonitorTest, OneOccurrenceFewerPassesTheAdaptiveProportionTest) {
  HealthMonitor test = Make(4, 1);
  std::vector<uint8_t> bytes(512);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(1 + i % 255);
  for (size_t i = 0; i < 70; ++i) bytes[2 * i] = 0;
  EXPECT_TRUE(Alarms(&test, bytes).empty());
}

TEST(HealthMonitorTest, WindowThatIsMostlyOneValueLatches) {
  HealthMonitor test = Make(4, 1);
  std::vector<uint8_t> bytes(512);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(1 + i % 255);
  for (size_t i = 0; i < 92; ++i) bytes[2 * i] = 0;
  const auto alarms = Alarms(&test, bytes);
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_FALSE(alarms[0].second.permanent);
  EXPECT_EQ(alarms[1].first, 183u);  // the 92nd: the cutoff of 2^-60
  EXPECT_TRUE(alarms[1].second.permanent);
  EXPECT_EQ(alarms[1].second.test, HealthMonitor::Test::kApt);
  EXPECT_FALSE(alarms[1].second.recurrent);
}

// For words of 64 bits the formula gives a cutoff of 2 at 2^-60.
TEST(HealthMonitorTest, OneRepeatedWordDoesNotLatchASourceThatClaimsEverything) {
  HealthMonitor test = Make(8, 8);
  std::vector<uint8_t> bytes = IdealBytes(80, 3);
  std::memcpy(&bytes[48], &bytes[40], 8);
  const auto alarms = Alarms(&test, bytes);
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_FALSE(alarms[0].second.permanent);
}

TEST(HealthMonitorTest, WindowsDoNotShareTheirCounts) {
  HealthMonitor test = Make(4, 1);
  std::vector<uint8_t> bytes(1024);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(1 + i % 255);
  // Fifty in the second half of one window, fifty in the first half of the next.
  for (size_t i = 0; i < 50; ++i) bytes[512 - 2 - 2 * i] = bytes[512 + 2 * i] = 0;
  bytes[0] = bytes[512] = 0;
  EXPECT_TRUE(Alarms(&test, bytes).empty());
}

TEST(HealthMonitorTest, M1_EqualNeighbouringWordsAlarmWhateverTheClaim) {
  for (const int width : {4, 8}) {
    HealthMonitor test = Make(0.5, width);
    std::vector<uint8_t> bytes = IdealBytes(10 * width, 3);
    std::memcpy(&bytes[6 * width], &bytes[5 * width], width);
    const auto alarms = Alarms(&test, bytes);
    ASSERT_EQ(alarms.size(), 1u) << width;
    EXPECT_EQ(alarms[0].first, 7u * width);
    EXPECT_EQ(alarms[0].second.width_bytes, width);
    EXPECT_EQ(alarms[0].second.test, HealthMonitor::Test::kContinuous);
    EXPECT_FALSE(alarms[0].second.permanent);
  }
}

TEST(HealthMonitorTest, EqualBytesAtAnotherAlignmentAreNoWord) {
  HealthMonitor test = Make(4, 4);
  std::vector<uint8_t> bytes = IdealBytes(64, 4);
  std::memcpy(&bytes[22], &bytes[18], 4);
  EXPECT_TRUE(Alarms(&test, bytes).empty());
}

TEST(HealthMonitorTest, M3_ThirdAlarmedBlockWithinAMillionSamplesLatches) {
  HealthMonitor test = Make(4, 4);
  int alarms = 0;
  absl::optional<Alarm> last;
  for (int block = 0; block < 60 && alarms < 3; ++block) {
    std::vector<uint8_t> bytes = IdealBytes(test.block_bytes(), 100 + block);
    if (block % 20 == 10) std::memcpy(&bytes[404], &bytes[400], 4);
    if (auto alarm = test.Feed(bytes)) {
      ++alarms;
      last = alarm;
      EXPECT_EQ(alarm->permanent, alarms == 3);
    }
  }
  ASSERT_EQ(alarms, 3);
  EXPECT_TRUE(last->recurrent);
  EXPECT_NE(last->ToString().find("two neighbours alike; alarm 3 within 1000000 samples"),
            std::string::npos)
      << last->ToString();
}

TEST(HealthMonitorTest, AlarmsFarApartDoNotLatch) {
  HealthMonitor test = Make(4, 4);
  int alarms = 0;
  const int blocks_per_million = 1'000'000 / 512;
  const std::vector<uint8_t> clean = IdealBytes(test.block_bytes(), 5);
  for (int i = 0; i < 4; ++i) {
    std::vector<uint8_t> bad = clean;
    std::memcpy(&bad[404], &bad[400], 4);
    auto alarm = test.Feed(bad);
    ASSERT_TRUE(alarm.has_value());
    EXPECT_FALSE(alarm->permanent) << i;
    ++alarms;
    for (int b = 0; b < blocks_per_million / 2 + 1; ++b) ASSERT_FALSE(test.Feed(clean).has_value());
  }
  EXPECT_EQ(alarms, 4);
}

TEST(HealthMonitorTest, SeveralFaultsOfOneBlockCountOnce) {
  HealthMonitor test = Make(4, 4);
  std::vector<uint8_t> bytes = IdealBytes(test.block_bytes(), 6);
  for (const size_t at : {100, 400, 800, 1200}) std::memcpy(&bytes[at + 4], &bytes[at], 4);
  EXPECT_EQ(Alarms(&test, bytes).size(), 1u);
}

// The replay is reported at the last byte of its block.
TEST(HealthMonitorTest, ReplayAtTheEndOfABlockDoesNotExcuseTheNextOne) {
  const auto arena = SecretArena::Create(4 << 20, SecretArena::Locking::kBestEffort).value();
  for (const bool at_once : {false, true}) {
    HealthMonitor test =
        HealthMonitor::Create({.min_entropy = 4, .word_bytes = 1}, arena.get()).value();
    std::vector<uint8_t> bytes = IdealBytes(7 * test.block_bytes(), 8);
    std::copy_n(bytes.begin() + 100, 14, bytes.begin() + 6 * test.block_bytes() - 14);
    std::fill_n(bytes.begin() + 6 * test.block_bytes() + 200, 9, 0x5a);
    std::vector<HealthMonitor::Test> found;
    const size_t piece = at_once ? test.block_bytes() : 1;
    for (size_t i = 0; i < bytes.size(); i += piece) {
      if (const auto alarm = test.Feed({&bytes[i], piece})) {
        EXPECT_FALSE(alarm->permanent);
        found.push_back(alarm->test);
      }
    }
    EXPECT_EQ(found, (std::vector{HealthMonitor::Test::kReplay, HealthMonitor::Test::kRct}));
  }
}

TEST(HealthMonitorTest, M3_AlarmsSurviveARestartOfTheStreamAndNotAnOperatorsReset) {
  const std::vector<uint8_t> clean = IdealBytes(2048, 7);
  std::vector<uint8_t> bad = clean;
  std::memcpy(&bad[404], &bad[400], 4);
  for (const bool reset : {false, true}) {
    HealthMonitor test = Make(4, 4);
    for (int i = 0; i < 2; ++i) {
      ASSERT_FALSE(test.Feed(bad)->permanent);
      test.RestartStream();
    }
    if (reset) test.Forget();
    EXPECT_NE(test.Feed(bad)->permanent, reset);
  }
}

TEST(HealthMonitorTest, AlarmsOfAMonitorWithTheSameClaimsCountOn) {
  std::vector<uint8_t> bad = IdealBytes(2048, 7);
  std::memcpy(&bad[404], &bad[400], 4);
  HealthMonitor before = Make(4, 4);
  for (int i = 0; i < 2; ++i) ASSERT_FALSE(before.Feed(bad)->permanent);
  for (const double claim : {4., 3.5}) {
    HealthMonitor test = Make(claim, 4);
    test.RememberAlarmsOf(before);
    EXPECT_EQ(test.Feed(bad)->permanent, claim == 4);
  }
}

TEST(HealthMonitorTest, RestartForgetsTheOpenRun) {
  for (const uint8_t value : {0x5a, 0}) {
    HealthMonitor test = Make(4, 1);
    EXPECT_TRUE(Alarms(&test, std::vector<uint8_t>(8, value)).empty());
    test.RestartStream();
    EXPECT_TRUE(Alarms(&test, std::vector<uint8_t>(8, value)).empty());
  }
}

TEST(HealthMonitorTest, M4_BadOptionsAreRefused) {
  EXPECT_EQ(HealthMonitor::Create({.min_entropy = 0}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HealthMonitor::Create({.min_entropy = 8.1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HealthMonitor::Create({.min_entropy = 4, .word_bytes = 3}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(HealthMonitor::Create({.min_entropy = 0.1}).status().code(),
            absl::StatusCode::kOutOfRange);
}

TEST(HealthMonitorTest, StartUpTakesTwoWindowsOfNativeSamples) {
  EXPECT_EQ(Make(4, 1).startup_bytes(), 1024u);
  EXPECT_EQ(Make(4, 8).startup_bytes(), 8192u);
  EXPECT_EQ(Make(4, 8).block_bytes(), 4096u);
}

TEST(HealthMonitorTest, FalseAlarmsRiseWithTheRate) {
  const HealthMonitor test = Make(5, 1);  // its repetition count has exactly alpha = 2^-30
  // One byte source at 1 MB/s: 3.2e13 samples a year; 2^-60 each is 2.7e-5, the third alarm in a
  // million (9.3e-4)^2 / 2 of 3.2e13 * 2^-30.
  const double per_year = test.PermanentFalseAlarmsPerYear(1e6);
  EXPECT_NEAR(per_year, 0.0128, 0.0005);
  EXPECT_GT(test.PermanentFalseAlarmsPerYear(1e8), 1);
}

// A stream with some faults of every kind: bytes and words that repeat, values that come too often,
// stretches of few values.
std::vector<uint8_t> FaultyBytes(size_t n, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<uint8_t> bytes = IdealBytes(n, seed + 1);
  for (size_t at = 0; at + 64 < n; at += 1 + generator() % 4000) {
    const size_t length = 1 + generator() % 24;
    switch (generator() % 4) {
      case 0:  // a run of bytes
        std::fill_n(&bytes[at], length, bytes[at]);
        break;
      case 1:  // a word that repeats
        std::memcpy(&bytes[at / 8 * 8 + 8], &bytes[at / 8 * 8], 8);
        break;
      case 2:  // one byte value again and again, never twice in a row
        for (size_t i = at; i < std::min(n, at + 20 * length); i += 4) bytes[i] = bytes[at];
        break;
      case 3:  // few values
        for (size_t i = at; i < std::min(n, at + 10 * length); ++i) bytes[i] &= 0x03;
        break;
    }
  }
  return bytes;
}

// Whole windows are examined at once when nothing in them can alarm. Byte by byte they never are.
TEST(HealthMonitorTest, WholeWindowsAtOnceRaiseTheSameAlarmsAsByteByByte) {
  int alarms = 0;
  for (const int width : {1, 4, 8}) {
    for (const double min_entropy : {0.5, 2.0, 4.0, 7.0, 8.0}) {
      for (uint64_t seed = 0; seed < 20; ++seed) {
        HealthMonitor at_once = Make(min_entropy, width);
        HealthMonitor one_by_one = Make(min_entropy, width);
        const std::vector<uint8_t> bytes = FaultyBytes(16 * 4096, seed);
        std::mt19937_64 cut(seed);
        for (size_t at = 0; at < bytes.size();) {
          // Mostly aligned, as sources read; sometimes not.
          const size_t piece = std::min<size_t>(
              bytes.size() - at, cut() % 8 == 0 ? 1 + cut() % 3000 : 4096 - at % 4096);
          const auto found = at_once.Feed({&bytes[at], piece});
          absl::optional<Alarm> expected;
          for (size_t i = at; i < at + piece; ++i) {
            const auto alarm = one_by_one.Feed({&bytes[i], 1});
            if (alarm.has_value() && (!expected.has_value() || alarm->permanent)) expected = alarm;
            if (alarm.has_value() && alarm->permanent) break;
          }
          ASSERT_EQ(found.has_value(), expected.has_value()) << at << " of " << seed;
          ASSERT_EQ(at_once.samples(), one_by_one.samples());
          if (found.has_value()) {
            EXPECT_EQ(found->ToString(), expected->ToString());
            EXPECT_EQ(found->permanent, expected->permanent);
            ++alarms;
            if (found->permanent) break;
          }
          at += piece;
        }
      }
    }
  }
  EXPECT_GT(alarms, 200);
}

// A fault of real silicon. The tests of bytes pass it; the first repeated native word shows it.
TEST(HealthMonitorTest, M1_CaptureOfAFaultyRdseedAlarmsAtTheFirstRepeatedWord) {
  std::ifstream file(ENTROPYD_VECTORS "/rdseed32-faulty-zen5.bin", std::ios::binary);
  const std::vector<uint8_t> capture{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(capture.size(), 65536u * 4);
  size_t repeat = 1;
  while (std::memcmp(&capture[4 * repeat], &capture[4 * repeat - 4], 4) != 0) ++repeat;

  HealthMonitor words = Make(4, 4);
  const auto alarms = Alarms(&words, capture);
  ASSERT_FALSE(alarms.empty());
  EXPECT_EQ(alarms[0].first, 4 * (repeat + 1));
  EXPECT_EQ(alarms[0].second.test, HealthMonitor::Test::kContinuous);
  EXPECT_EQ(alarms[0].second.width_bytes, 4);
  // Three such blocks within a million samples latch the source, although no run is longer than
  // two.
  EXPECT_TRUE(alarms.back().second.permanent);
  EXPECT_TRUE(alarms.back().second.recurrent);

  HealthMonitor bytes = Make(4, 1);
  EXPECT_TRUE(Alarms(&bytes, capture).empty());
}

}  // namespace
}  // namespace entropyd
