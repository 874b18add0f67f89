// Sources whose blocks fail, a pool that changes, and readers: what happens is chosen by a seed
// (tests/model_runs.h).
#include "tests/server/pool/pool_model.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"
#include "tests/model_runs.h"

namespace entropyd {
namespace {

constexpr size_t kSteps = 400;

using Runs = ModelRuns<PoolModel, PoolStep>;

class PoolModelTest : public ::testing::TestWithParam<int> {};

TEST_P(PoolModelTest, M2_NoByteDerivesFromABlockOfASourceThatHasFailed) {
  const auto seed = static_cast<uint64_t>(GetParam());
  Runs::Run(seed, PoolStep::Random(seed, kSteps));
}

// The model is worth something only when all of this happens.
TEST(PoolModelItselfTest, BytesGetThroughAStorm) {
  PoolModel::Counts all;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    all.Add(Runs::Play(seed, PoolStep::Random(seed, kSteps)).counts);
  }
  EXPECT_GT(all.delivered, 100'000u);
  EXPECT_GT(all.sent, 20'000u);
  EXPECT_GT(all.got, 1'000u);
  EXPECT_GT(all.blocks, 200u);
  EXPECT_GT(all.epochs, 10u);
  EXPECT_GT(all.alarms, 50u);
  EXPECT_GT(all.refused, 50u);
  EXPECT_GT(all.aborted, 3u);
  EXPECT_GT(all.reloads, 30u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PoolModelTest, ::testing::Range(1, ModelSeeds(50) + 1),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace entropyd
