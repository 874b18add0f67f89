// The agent's end of Attach against the server's, both real: what the network, guests, readers and
// operators do is chosen by a seed (tests/model_runs.h).
#include "tests/server/attach/attach_model.h"

#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"
#include "tests/model_runs.h"

namespace entropyd {
namespace {

constexpr size_t kSteps = 600;

using Runs = ModelRuns<AttachModel, ModelStep>;

class AttachModelTest : public ::testing::TestWithParam<int> {};

TEST_P(AttachModelTest, M12_EveryByteIsAccountedForAtBothEndsAndNobodyWaitsInVain) {
  const auto seed = static_cast<uint64_t>(GetParam());
  EXPECT_GT(Runs::Run(seed, ModelSteps(seed, kSteps)).counts.taken, 0u);
}

// The model is worth something only when all of this happens.
TEST(AttachModelItselfTest, BytesGetThroughAStorm) {
  AttachModel::Counts all;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    all.Add(Runs::Play(seed, ModelSteps(seed, kSteps)).counts);
  }
  EXPECT_GT(all.taken, 200'000u);
  EXPECT_GT(all.got, 100'000u);
  EXPECT_GT(all.lost, 20'000u);
  EXPECT_GT(all.dropped, 10'000u);
  EXPECT_GT(all.streams, 60u);
  EXPECT_GT(all.offences, 5u);
  EXPECT_GT(all.replaced, 2u);
  EXPECT_GT(all.mixed, 20u) << "few messages have bytes of several channels";
}

INSTANTIATE_TEST_SUITE_P(Seeds, AttachModelTest, ::testing::Range(1, ModelSeeds(50) + 1),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace entropyd
