#include "server/health/replay_detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "server/health/health_cutoff.h"

namespace entropyd {
namespace {

using Verdict = ReplayDetector::Verdict;

class ReplayDetectorTest : public ::testing::Test {
 protected:
  ReplayDetector Make(double min_entropy) {
    return ReplayDetector::Create(min_entropy, arena_.get()).value();
  }

  uint8_t Ideal() { return static_cast<uint8_t>(generator_()); }
  std::vector<uint8_t> IdealBytes(size_t n) {
    std::vector<uint8_t> bytes(n);
    for (uint8_t& b : bytes) b = Ideal();
    return bytes;
  }
  // How many of `bytes` it takes until a verdict of that kind and tier; 0 = never.
  static size_t Until(ReplayDetector* test, const std::vector<uint8_t>& bytes,
                      ReplayDetector::Kind kind, bool permanent) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto verdict = test->Feed({&bytes[i], 1});
      if (verdict && verdict->kind == kind && verdict->permanent == permanent) return i + 1;
    }
    return 0;
  }

  std::unique_ptr<SecretArena> arena_ =
      SecretArena::Create(8 << 20, SecretArena::Locking::kBestEffort).value();
  std::mt19937_64 generator_{7};
};

TEST_F(ReplayDetectorTest, CutoffsFollowTheFormulas) {
  // (22 + 34) / H and (60 + 34) / H, rounded up.
  EXPECT_EQ(ReplayDetector::CutoffsFor(8).replay_intermittent, 7u);
  EXPECT_EQ(ReplayDetector::CutoffsFor(8).replay_permanent, 12u);
  EXPECT_EQ(ReplayDetector::CutoffsFor(4).replay_intermittent, 14u);
  EXPECT_EQ(ReplayDetector::CutoffsFor(4).replay_permanent, 24u);
  EXPECT_EQ(ReplayDetector::CutoffsFor(0.1).replay_intermittent, 560u);
  for (const double h : {0.1, 1.0, 4.0, 8.0}) {
    const ReplayDetector::Cutoffs cutoffs = ReplayDetector::CutoffsFor(h);
    const double mean = ReplayDetector::kWindow * std::exp2(-h);
    const double deviation = std::sqrt(mean * (1 - std::exp2(-h)));
    // 2^-22 lies about 5.1, 2^-60 about 9.1 standard deviations above the mean.
    EXPECT_NEAR((cutoffs.prediction_intermittent - mean) / deviation, 5.1, 0.3) << h;
    EXPECT_NEAR((cutoffs.prediction_permanent - mean) / deviation, 9.1, 0.9) << h;
  }
}

TEST_F(ReplayDetectorTest, IdealBytesRaiseNoAlarm) {
  for (const double h : {0.5, 4.0, 8.0}) {
    ReplayDetector test = Make(h);
    for (int i = 0; i < 32; ++i) ASSERT_FALSE(test.Feed(IdealBytes(1 << 16)).has_value()) << h;
  }
}

TEST_F(ReplayDetectorTest, S1_ReplayOfAnyLengthUpToTheWindowIsToldAtItsCthByte) {
  for (const uint32_t period :
       {1u, 2u, 7u, 8u, 9u, 100u, 4095u, 4096u, 65'537u, 131'071u, 131'072u}) {
    // Claims of 1 and 8 bits in turn; the replay begins at each place of the filing stride.
    for (uint32_t shift = 0; shift < 4; ++shift) {
      ReplayDetector test = Make(shift % 2 == period % 2 ? 1 : 8);
      std::vector<uint8_t> bytes = IdealBytes(ReplayDetector::kWindow + 1000 + shift);
      test.Feed(bytes);
      uint32_t intermittent = 0, permanent = 0;
      for (uint32_t i = 1; i <= test.cutoffs().replay_permanent; ++i) {
        bytes.push_back(bytes[bytes.size() - period]);
        const auto verdict = test.Feed({&bytes.back(), 1});
        if (!verdict.has_value()) continue;
        EXPECT_EQ(verdict->kind, ReplayDetector::Kind::kReplay);
        (verdict->permanent ? permanent : intermittent) = i;
      }
      EXPECT_EQ(intermittent, test.cutoffs().replay_intermittent) << period;
      EXPECT_EQ(permanent, test.cutoffs().replay_permanent) << period;
    }
  }
}

TEST_F(ReplayDetectorTest, ReplayFromBeyondTheWindowIsNotSeen) {
  ReplayDetector test = Make(4);
  std::vector<uint8_t> bytes = IdealBytes(ReplayDetector::kWindow + 1000);
  test.Feed(bytes);
  const std::vector<uint8_t> replay(bytes.begin() + 100, bytes.begin() + 600);
  EXPECT_FALSE(test.Feed(replay).has_value());
}

TEST_F(ReplayDetectorTest, RunOneShortOfTheCutoffPasses) {
  ReplayDetector test = Make(4);
  const std::vector<uint8_t> bytes = IdealBytes(10'000);
  test.Feed(bytes);
  std::vector<uint8_t> run(bytes.begin() + 500, bytes.begin() + 513);
  run.push_back(static_cast<uint8_t>(bytes[513] + 1));
  EXPECT_FALSE(test.Feed(run).has_value());
}

TEST_F(ReplayDetectorTest, VerdictNamesTheLag) {
  ReplayDetector test = Make(4);
  const std::vector<uint8_t> bytes = IdealBytes(10'000);
  test.Feed(bytes);
  const auto verdict = test.Feed({bytes.data() + 3000, 20});
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->lag, 7000u);
  EXPECT_EQ(verdict->cutoff, 14u);
}

TEST_F(ReplayDetectorTest, ReplayAcrossARestartOfTheStreamIsSeenButNoRunGoesOnOverIt) {
  ReplayDetector test = Make(4);
  const std::vector<uint8_t> bytes = IdealBytes(10'000);
  test.Feed(bytes);
  test.Feed({bytes.data() + 500, 13});
  test.RestartStream();
  EXPECT_FALSE(test.Feed({bytes.data() + 513, 13}).has_value());
  test.RestartStream();
  EXPECT_TRUE(test.Feed({bytes.data() + 600, 14}).has_value());
}

TEST_F(ReplayDetectorTest, ForgetForgetsTheWindow) {
  ReplayDetector test = Make(4);
  const std::vector<uint8_t> bytes = IdealBytes(10'000);
  test.Feed(bytes);
  test.Forget();
  EXPECT_FALSE(test.Feed(bytes).has_value());
}

TEST_F(ReplayDetectorTest, SourceOfTheClaimedEntropyIsNotAccused) {
  // Two values out of 256, one bit per byte, with a claim of one bit: neighbours are equal half of
  // the time.
  ReplayDetector test = Make(1);
  for (int i = 0; i < 8; ++i) {
    std::vector<uint8_t> bytes(1 << 16);
    for (uint8_t& b : bytes) b = Ideal() & 1;
    ASSERT_FALSE(test.Feed(bytes).has_value());
  }
}

TEST_F(ReplayDetectorTest, S1_SourceThatFollowsItsOwnPastIsToldWithinAWindow) {
  // Every fifth byte repeats the one 3 bytes before it: 2.3 bits of min-entropy where the claim is
  // 4. No run is long enough for a replay, and no value is frequent.
  ReplayDetector test = Make(4);
  std::vector<uint8_t> bytes(ReplayDetector::kWindow);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = i % 5 == 4 ? bytes[i - 3] : Ideal();
  }
  const size_t until = Until(&test, bytes, ReplayDetector::Kind::kPrediction, false);
  EXPECT_GT(until, 0u);
  // A fifth of the bytes predicted: the cutoff of 1/16 of the window takes a third of it.
  EXPECT_NEAR(static_cast<double>(until), test.cutoffs().prediction_intermittent * 5.0, 2000);
}

TEST_F(ReplayDetectorTest, PredictionsOneFewerThanTheCutoffPass) {
  ReplayDetector test = Make(4);
  const uint32_t cutoff = test.cutoffs().prediction_intermittent;
  // No bytes are equal by chance: neighbours within eight bytes differ, except those that the test
  // makes equal.
  std::vector<uint8_t> bytes(ReplayDetector::kWindow);
  uint32_t alike = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(16 * (i % 16) + generator_() % 16);
    if (i % 12 == 11 && alike < cutoff - 1) {
      bytes[i] = bytes[i - 1];
      ++alike;
    }
  }
  ReplayDetector more = Make(4);
  EXPECT_EQ(Until(&test, bytes, ReplayDetector::Kind::kPrediction, false), 0u);
  const size_t extra = bytes.size() - 1;
  bytes[extra] = bytes[extra - 1];
  EXPECT_EQ(Until(&more, bytes, ReplayDetector::Kind::kPrediction, false), bytes.size());
}

TEST_F(ReplayDetectorTest, HowBytesArriveMakesNoDifference) {
  std::vector<uint8_t> bytes = IdealBytes(200'000);
  for (size_t i = 150'000; i < bytes.size(); ++i) bytes[i] = bytes[i - 77'777];
  ReplayDetector one = Make(8), many = Make(8);
  const size_t first = Until(&one, bytes, ReplayDetector::Kind::kReplay, true);
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t n = std::min<size_t>(1 + generator_() % 5000, bytes.size() - at);
    const auto verdict = many.Feed({bytes.data() + at, n});
    if (verdict && verdict->permanent) break;
    at += n;
  }
  EXPECT_LE(at, first);
  EXPECT_GT(at + 5000, first);
}

TEST_F(ReplayDetectorTest, APermanentAlarmIsNotHiddenByAnIntermittentOneBehindIt) {
  ReplayDetector whole = Make(4), pieces = Make(4);
  // One byte is the same again and again: first it is a replay, and later it is too predictable.
  const std::vector<uint8_t> bytes(whole.cutoffs().prediction_intermittent + 10, 7);
  ASSERT_LT(bytes.size(), whole.cutoffs().prediction_permanent);
  pieces.Feed({bytes.data(), bytes.size() - 20});
  const auto later = pieces.Feed({bytes.data(), 20});
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->kind, ReplayDetector::Kind::kPrediction);
  EXPECT_FALSE(later->permanent);
  const auto worst = whole.Feed(bytes);
  ASSERT_TRUE(worst.has_value());
  EXPECT_EQ(worst->kind, ReplayDetector::Kind::kReplay);
  EXPECT_TRUE(worst->permanent);
}

TEST_F(ReplayDetectorTest, ClaimThatNoRunCouldRefuteIsRefused) {
  EXPECT_EQ(ReplayDetector::Create(0.04, arena_.get()).status().code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace entropyd
