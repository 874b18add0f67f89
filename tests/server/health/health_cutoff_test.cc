#include "server/health/health_cutoff.h"

#include <gtest/gtest.h>

#include <cmath>

namespace entropyd {
namespace {

// A row of cutoffs for min-entropy H in bits per sample: the repetition count test at alpha =
// 2^-20, 2^-30, 2^-40, 2^-60; then the adaptive proportion test by the formula as SP 800-90B prints
// it, 1 + critbinom(W, 2^-H, 1 - alpha), and as corrected, 2 + critbinom(W - 1, ...).
struct Row {
  double h;
  uint32_t rct[4];
  uint32_t apt1024_printed[3], apt1024[3];  // 2^-20, 2^-30, 2^-40
  uint32_t apt512_printed[4], apt512[4];    // 2^-20, 2^-30, 2^-40, 2^-60
};

constexpr int kAlphas[] = {20, 30, 40, 60};

// 410, 311, 177, 62, 13 (W = 512) and 941, 840, 748, 664, 589 (W = 1024) at 2^-20 are the values of
// SP 800-90B table 2 itself.
constexpr Row kTable[] = {
    {0.1,
     {201, 301, 401, 601},
     {991, 999, 1005},
     {991, 999, 1005},
     {502, 507, 510, 513},
     {502, 507, 510, 512}},
    {0.2,
     {101, 151, 201, 301},
     {941, 952, 961},
     {941, 952, 962},
     {480, 487, 493, 502},
     {480, 488, 493, 502}},
    {0.25,
     {81, 121, 161, 241},
     {915, 928, 938},
     {915, 928, 939},
     {468, 477, 483, 494},
     {468, 477, 484, 494}},
    {0.3,
     {68, 101, 135, 201},
     {890, 904, 915},
     {890, 904, 915},
     {456, 466, 473, 485},
     {457, 466, 473, 485}},
    {0.4,
     {51, 76, 101, 151},
     {840, 856, 869},
     {841, 856, 869},
     {433, 444, 452, 466},
     {433, 444, 453, 466}},
    {0.5,
     {41, 61, 81, 121},
     {793, 810, 824},
     {793, 810, 824},
     {410, 422, 432, 447},
     {411, 422, 432, 447}},
    {0.6,
     {35, 51, 68, 101},
     {748, 766, 780},
     {748, 766, 781},
     {388, 401, 411, 427},
     {389, 401, 411, 428}},
    {0.7,
     {30, 44, 59, 87},
     {705, 723, 739},
     {705, 724, 739},
     {368, 381, 391, 408},
     {368, 381, 392, 409}},
    {0.8,
     {26, 39, 51, 76},
     {664, 683, 699},
     {664, 683, 699},
     {348, 361, 372, 390},
     {348, 361, 372, 390}},
    {0.9,
     {24, 35, 46, 68},
     {625, 645, 661},
     {626, 645, 662},
     {329, 342, 354, 372},
     {329, 343, 354, 373}},
    {1,
     {21, 31, 41, 61},
     {589, 609, 625},
     {590, 609, 626},
     {311, 325, 336, 355},
     {311, 325, 337, 355}},
    {1.5,
     {15, 21, 28, 41},
     {437, 456, 473},
     {437, 457, 473},
     {234, 248, 260, 279},
     {235, 249, 261, 280}},
    {2,
     {11, 16, 21, 31},
     {325, 343, 358},
     {325, 344, 359},
     {177, 190, 201, 220},
     {178, 191, 202, 221}},
    {2.5,
     {9, 13, 17, 25},
     {242, 259, 273},
     {243, 260, 274},
     {135, 147, 157, 174},
     {136, 148, 158, 175}},
    {3,
     {8, 11, 15, 21},
     {182, 197, 209},
     {183, 198, 210},
     {103, 114, 123, 139},
     {104, 115, 124, 140}},
    {3.5, {7, 10, 13, 19}, {138, 151, 162}, {138, 151, 163}, {80, 89, 97, 112}, {80, 90, 98, 112}},
    {4, {6, 9, 11, 16}, {105, 116, 126}, {106, 117, 127}, {62, 71, 78, 91}, {63, 71, 79, 92}},
    {4.5, {6, 8, 10, 15}, {81, 91, 99}, {82, 92, 100}, {49, 56, 63, 74}, {50, 57, 64, 75}},
    {5, {5, 7, 9, 13}, {63, 71, 79}, {64, 72, 80}, {39, 46, 51, 62}, {40, 46, 52, 63}},
    {5.5, {5, 7, 9, 12}, {49, 57, 64}, {50, 58, 65}, {31, 37, 42, 52}, {32, 38, 43, 53}},
    {6, {5, 6, 8, 11}, {39, 46, 52}, {40, 47, 53}, {25, 31, 35, 44}, {26, 32, 36, 45}},
    {6.5, {5, 6, 8, 11}, {31, 37, 43}, {32, 38, 44}, {21, 26, 30, 37}, {22, 27, 31, 38}},
    {7, {4, 6, 7, 10}, {26, 31, 36}, {27, 32, 37}, {18, 22, 26, 32}, {18, 23, 27, 33}},
    {7.5, {4, 5, 7, 9}, {21, 26, 30}, {22, 27, 31}, {15, 19, 22, 28}, {16, 20, 23, 29}},
    {7.9, {4, 5, 7, 9}, {18, 23, 26}, {19, 24, 27}, {13, 17, 20, 26}, {14, 18, 21, 27}},
    {8, {4, 5, 6, 9}, {18, 22, 26}, {19, 23, 27}, {13, 16, 19, 25}, {14, 17, 20, 26}},
};

TEST(HealthCutoffTest, M4_RepetitionCountMatchesTheTable) {
  for (const Row& row : kTable) {
    for (int a = 0; a < 4; ++a) {
      EXPECT_EQ(RctCutoff(row.h, kAlphas[a]), row.rct[a])
          << "H " << row.h << " alpha 2^-" << kAlphas[a];
    }
  }
}

TEST(HealthCutoffTest, PrintedAdaptiveProportionFormulaMatchesTheTable) {
  for (const Row& row : kTable) {
    for (int a = 0; a < 4; ++a) {
      EXPECT_EQ(1 + BinomialQuantile(512, row.h, kAlphas[a]), row.apt512_printed[a])
          << "H " << row.h << " alpha 2^-" << kAlphas[a];
    }
    for (int a = 0; a < 3; ++a) {
      EXPECT_EQ(1 + BinomialQuantile(1024, row.h, kAlphas[a]), row.apt1024_printed[a])
          << "H " << row.h << " alpha 2^-" << kAlphas[a];
    }
  }
}

TEST(HealthCutoffTest, M4_CorrectedAdaptiveProportionMatchesTheTable) {
  for (const Row& row : kTable) {
    for (int a = 0; a < 4; ++a) {
      if (row.h == 0.1 && kAlphas[a] == 60) continue;  // refused, see below
      EXPECT_EQ(AptCutoff(row.h, 512, kAlphas[a]).value(), row.apt512[a])
          << "H " << row.h << " alpha 2^-" << kAlphas[a];
    }
    for (int a = 0; a < 3; ++a) {
      EXPECT_EQ(AptCutoff(row.h, 1024, kAlphas[a]).value(), row.apt1024[a])
          << "H " << row.h << " alpha 2^-" << kAlphas[a];
    }
  }
}

TEST(HealthCutoffTest, M4_CutoffBeyondTheWindowIsRefused) {
  const absl::StatusOr<uint32_t> cutoff = AptCutoff(0.1, 512, 60);
  ASSERT_FALSE(cutoff.ok());
  EXPECT_EQ(cutoff.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_NE(cutoff.status().message().find("could never fail"), absl::string_view::npos);
}

TEST(HealthCutoffTest, CutoffOfTheWholeWindowIsAllowed) {
  // p^511 is 2^-60.3 here and 2^-59.8 there.
  EXPECT_EQ(AptCutoff(0.118, 512, 60).value(), 512u);
  EXPECT_FALSE(AptCutoff(0.117, 512, 60).ok());
}

TEST(HealthCutoffTest, WholeWordsHaveSmallRepetitionCutoffs) {
  EXPECT_EQ(RctCutoff(32, 20), 2u);
  EXPECT_EQ(RctCutoff(32, 30), 2u);
  EXPECT_EQ(RctCutoff(32, 40), 3u);
  EXPECT_EQ(RctCutoff(32, 60), 3u);
  EXPECT_EQ(RctCutoff(64, 60), 2u);
}

// The quantile by its definition. The sum is in linear space, where that is still exact enough.
TEST(HealthCutoffTest, QuantileSplitsTheTailAtAlpha) {
  for (const double h : {1.0, 3.0, 7.5}) {
    const uint32_t n = 100;
    const long double p = std::exp2(static_cast<long double>(-h));
    const uint32_t k = BinomialQuantile(n, h, 20);
    long double above_k = 0, at_k = 0;
    for (uint32_t j = n; j >= k; --j) {
      const long double term =
          std::exp(std::lgamma(n + 1.0L) - std::lgamma(j + 1.0L) - std::lgamma(n - j + 1.0L)) *
          std::pow(p, j) * std::pow(1 - p, n - j);
      (j == k ? at_k : above_k) += term;
    }
    EXPECT_LE(above_k, std::exp2(-20.0L)) << "H " << h;
    EXPECT_GT(above_k + at_k, std::exp2(-20.0L)) << "H " << h;
  }
}

}  // namespace
}  // namespace entropyd
