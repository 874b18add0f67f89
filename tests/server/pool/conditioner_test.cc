#include "server/pool/conditioner.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"

namespace entropyd {
namespace {

using Block = std::array<uint8_t, Conditioner::kBlockBytes>;

std::unique_ptr<Conditioner> Make(int sources) { return Conditioner::Create(sources).value(); }

std::string Hex(absl::Span<const uint8_t> bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

TEST(OutputEntropyTest, MatchesTheKnownFigures) {
  EXPECT_NEAR(OutputEntropyDeficitLog2(512, 256, 256, 320), -71.47, 0.005);
  EXPECT_NEAR(OutputEntropyDeficitLog2(1024, 512, 512, 576), -72.47, 0.005);
  EXPECT_NEAR(OutputEntropyDeficitLog2(384, 256, 256, 320), -67.24, 0.005);
  EXPECT_NEAR(OutputEntropy(512, 256, 256, 256), 255, 0.0005);
  EXPECT_NEAR(OutputEntropy(512, 256, 256, 257), 255.415, 0.0005);
  EXPECT_NEAR(OutputEntropy(257, 256, 256, 256), 252.16, 0.005);
}

TEST(OutputEntropyTest, NarrowInsideLimitsTheOutput) {
  EXPECT_NEAR(OutputEntropy(2048, 512, 128, 1000), 128, 1e-9);
}

TEST(OutputEntropyTest, NeverExceedsWhatWentIn) {
  for (const double h : {1.0, 64.0, 200.0, 300.0, 512.0}) {
    EXPECT_LE(OutputEntropy(1024, 512, 512, h), h + 1e-9) << h;
  }
}

// Full entropy is 1 - epsilon per bit with epsilon <= 2^-32 (SP 800-90C); our block rule must meet
// it in the worst case: the smallest input.
TEST(OutputEntropyTest, BlockRuleGivesFullEntropy) {
  const double n_out = 8.0 * Conditioner::kBlockBytes;
  EXPECT_LT(OutputEntropyDeficitLog2(8.0 * Conditioner::kBlockInputBytes, n_out, n_out,
                                     Conditioner::kBlockEntropyBits),
            -32);
}

TEST(ConditionerTest, BlockIsSha512OfItsSamples) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  std::vector<uint8_t> samples(112);
  const std::string message =
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmno"
      "pqrsmnopqrstnopqrstu";
  std::copy(message.begin(), message.end(), samples.begin());
  EXPECT_EQ(conditioner->Add(0, samples, 8, true), 80u);  // 640 bits: the input rule binds
  conditioner->Reset();
  EXPECT_EQ(conditioner->Add(0, samples, 8, false), 112u);
  ASSERT_TRUE(conditioner->Ready());
  Block block;
  ASSERT_TRUE(conditioner->Finish(absl::MakeSpan(block)).ok());
  // FIPS 180-4 example of SHA-512 on that 896-bit message.
  EXPECT_EQ(Hex(block),
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
            "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
}

TEST(ConditionerTest, TakesExactlyWhatABlockNeeds) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  const std::vector<uint8_t> samples(1000, 1);
  EXPECT_EQ(conditioner->Add(0, samples, 1, true), 576u);
  EXPECT_TRUE(conditioner->Ready());
  EXPECT_EQ(conditioner->Add(0, samples, 1, true), 0u);
}

TEST(ConditionerTest, IsNotReadyOneBitEarly) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  const std::vector<uint8_t> samples(575, 1);
  EXPECT_EQ(conditioner->Add(0, samples, 1, true), 575u);
  EXPECT_FALSE(conditioner->Ready());
  EXPECT_EQ(conditioner->Add(0, samples, 1, true), 1u);
  EXPECT_TRUE(conditioner->Ready());
}

TEST(ConditionerTest, ShortInputIsNotEnoughWhateverItIsWorth) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  const std::vector<uint8_t> samples(79, 1);
  conditioner->Add(0, samples, 8, true);
  EXPECT_GE(conditioner->entropy_bits(), Conditioner::kBlockEntropyBits);
  EXPECT_FALSE(conditioner->Ready());
}

TEST(ConditionerTest, EveryBlockTakesAnInputOfItsOwn) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  const std::vector<uint8_t> samples(1000, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(conditioner->Add(0, samples, 8, true), Conditioner::kBlockInputBytes) << i;
    ASSERT_TRUE(conditioner->Ready());
    Block block;
    ASSERT_TRUE(conditioner->Finish(absl::MakeSpan(block)).ok());
    EXPECT_FALSE(conditioner->Ready());
    EXPECT_EQ(conditioner->entropy_bits(), 0);
  }
}

TEST(ConditionerTest, M7_SourcesOfOneGroupCountOnce) {
  std::unique_ptr<Conditioner> conditioner = Make(2);
  const std::vector<uint8_t> samples(400, 1);
  conditioner->Add(0, samples, 1, true);
  conditioner->Add(1, samples, 1, true);
  EXPECT_DOUBLE_EQ(conditioner->entropy_bits(), 400);
  EXPECT_FALSE(conditioner->Ready());
}

TEST(ConditionerTest, SourceWithoutCreditIsTakenAndNotCounted) {
  std::unique_ptr<Conditioner> conditioner = Make(2);
  const std::vector<uint8_t> samples(5000, 1);
  EXPECT_EQ(conditioner->Add(0, samples, 0, true), 5000u);
  EXPECT_EQ(conditioner->entropy_bits(), 0);
  EXPECT_FALSE(conditioner->Ready());
}

TEST(ConditionerTest, ResetForgetsBytesAndCredit) {
  const std::vector<uint8_t> bad(100, 9), good(80, 1);
  std::unique_ptr<Conditioner> tainted = Make(1), clean = Make(1);
  tainted->Add(0, bad, 1, true);
  tainted->Reset();
  EXPECT_EQ(tainted->entropy_bits(), 0);
  Block a, b;
  for (const auto& [conditioner, block] : {std::pair{&tainted, &a}, std::pair{&clean, &b}}) {
    (*conditioner)->Add(0, good, 8, true);
    ASSERT_TRUE((*conditioner)->Finish(absl::MakeSpan(*block)).ok());
  }
  EXPECT_EQ(a, b);
}

// 512 of every 576 credited bits at most, whatever the sizes of the reads.
TEST(ConditionerTest, M8_YieldNeverExceedsEightNinths) {
  std::unique_ptr<Conditioner> conditioner = Make(1);
  double credited = 0, delivered = 0;
  for (int i = 1; i < 2000; ++i) {
    std::vector<uint8_t> samples(1 + i * 37 % 300, static_cast<uint8_t>(i));
    absl::Span<const uint8_t> rest = samples;
    while (!rest.empty()) {
      const size_t taken = conditioner->Add(0, rest, 3.7, true);
      credited += 3.7 * static_cast<double>(taken);
      rest.remove_prefix(taken);
      if (!conditioner->Ready()) continue;
      Block block;
      ASSERT_TRUE(conditioner->Finish(absl::MakeSpan(block)).ok());
      delivered += 512;
      ASSERT_LE(delivered, credited * 512 / 576);
    }
  }
  EXPECT_GT(delivered, 0.97 * credited * 512 / 576);
}

}  // namespace
}  // namespace entropyd
