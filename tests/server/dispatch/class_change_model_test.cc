// A dispatcher whose classes and pools change while agents and readers wait: what happens is chosen
// by a seed (tests/model_runs.h).
#include "tests/server/dispatch/class_change_model.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"
#include "tests/model_runs.h"

namespace entropyd {
namespace {

constexpr size_t kSteps = 500;

using Runs = ModelRuns<ClassChangeModel, ClassStep>;

class ClassChangeModelTest : public ::testing::TestWithParam<int> {};

TEST_P(ClassChangeModelTest, CeilingsHoldAndNobodyIsForgottenWhateverBecomesOfTheClasses) {
  const auto seed = static_cast<uint64_t>(GetParam());
  Runs::Run(seed, ClassStep::Random(seed, kSteps));
}

// The model is worth something only when all of this happens.
TEST(ClassChangeModelItselfTest, BytesGetThroughAStorm) {
  ClassChangeModel::Counts all;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    all.Add(Runs::Play(seed, ClassStep::Random(seed, kSteps)).counts);
  }
  EXPECT_GT(all.given, 1'000'000u);
  EXPECT_GT(all.changes, 100u);
  EXPECT_GT(all.closed, 100u);
  EXPECT_GT(all.held_back, 200u);
  EXPECT_GT(all.gets_ended, 10u);
  EXPECT_GT(all.pools, 20u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ClassChangeModelTest, ::testing::Range(1, ModelSeeds(100) + 1),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace entropyd
