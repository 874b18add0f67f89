// What serves the guests of a host, through changes of their classes and from process to process:
// what happens is chosen by a seed (tests/model_runs.h).
#include "tests/hostagent/handover/agent_model.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"
#include "tests/model_runs.h"

namespace entropyd {
namespace {

constexpr size_t kSteps = 400;

using Runs = ModelRuns<AgentModel, AgentStep>;

class AgentModelTest : public ::testing::TestWithParam<int> {};

TEST_P(AgentModelTest, M13_EachGuestGetsEachReplyOnceAndWholeFromProcessToProcess) {
  const auto seed = static_cast<uint64_t>(GetParam());
  Runs::Run(seed, AgentStep::Random(seed, kSteps));
}

// The model is worth something only when all of this happens.
TEST(AgentModelItselfTest, BytesGetThroughAStorm) {
  AgentModel::Counts all;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    all.Add(Runs::Play(seed, AgentStep::Random(seed, kSteps)).counts);
  }
  EXPECT_GT(all.told, 100'000u);
  EXPECT_LT(all.untold * 20, all.told) << "too little is known";
  EXPECT_GT(all.handovers, 6u);
  EXPECT_GT(all.cuts, 10u);
  EXPECT_GT(all.moves, 20u);
  EXPECT_GT(all.identified, 40u);
  EXPECT_GT(all.stalled, 100u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AgentModelTest, ::testing::Range(1, ModelSeeds(50) + 1),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace entropyd
