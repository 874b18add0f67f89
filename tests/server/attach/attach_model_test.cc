// The agent's end of Attach against the server's, both real: what the network, guests, readers and
// operators do is chosen by a seed. A failure says the shortest list of steps that it found.
//
// ENTROPYD_TEST_SCALE says how many seeds there are: 1 = 50. One seed alone:
//   server_test --gtest_filter=Seeds/AttachModelTest.*/SEED
#include "tests/server/attach/attach_model.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr size_t kSteps = 600;
// Of a failing list, when it is made shorter.
constexpr int kMostTries = 200;

struct Outcome {
  std::string failure;  // the first one; "" = none
  size_t steps = 0;     // until it was seen
  AttachModel::Counts counts;
};

std::string FirstFailure(const testing::TestPartResultArray& results) {
  for (int i = 0; i < results.size(); ++i) {
    const testing::TestPartResult& one = results.GetTestPartResult(i);
    if (one.failed()) {
      return absl::StrCat(one.file_name() == nullptr ? "" : one.file_name(), ":", one.line_number(),
                          ": ", one.message());
    }
  }
  return "";
}

// Failures of the model come back and do not reach the test.
Outcome Play(uint64_t seed, const std::vector<ModelStep>& steps) {
  testing::TestPartResultArray results;
  testing::ScopedFakeTestPartResultReporter reporter(
      testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
  const auto failed = [&results] { return results.size() > 0; };
  Outcome outcome;
  AttachModel model(seed);
  for (; outcome.steps < steps.size() && !failed(); ++outcome.steps) {
    model.Do(steps[outcome.steps]);
    model.Check();
  }
  if (!failed()) model.Settle(failed);
  if (!failed()) model.End();
  outcome.failure = FirstFailure(results);
  outcome.counts = model.counts();
  return outcome;
}

// Takes out what the failure does not need, in ever smaller pieces.
std::vector<ModelStep> Shortened(uint64_t seed, std::vector<ModelStep> steps) {
  int tries = 0;
  for (size_t piece = steps.size() / 2; piece > 0; piece /= 2) {
    for (size_t at = 0; at + piece <= steps.size() && tries < kMostTries;) {
      std::vector<ModelStep> fewer = steps;
      const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(piece));
      ++tries;
      const Outcome outcome = Play(seed, fewer);
      if (outcome.failure.empty()) {
        at += piece;
        continue;
      }
      fewer.resize(outcome.steps);
      steps = std::move(fewer);
    }
  }
  return steps;
}

int Seeds() {
  const char* const text = std::getenv("ENTROPYD_TEST_SCALE");
  double scale = 1;
  if (text != nullptr && (!absl::SimpleAtod(text, &scale) || scale <= 0)) scale = 1;
  return std::max(4, static_cast<int>(50 * scale));
}

class AttachModelTest : public ::testing::TestWithParam<int> {};

// With the shortest list of steps that is found.
void Tell(uint64_t seed, std::vector<ModelStep> steps, const Outcome& outcome) {
  steps.resize(outcome.steps);
  const std::vector<ModelStep> shorter = Shortened(seed, steps);
  ADD_FAILURE() << "seed " << seed << ", after step " << outcome.steps << ": " << outcome.failure
                << "\nWith only these " << shorter.size()
                << " steps: " << Play(seed, shorter).failure << "\n"
                << absl::StrJoin(shorter, " ", [](std::string* out, const ModelStep& step) {
                     absl::StrAppend(out, step.Text());
                   });
}

TEST_P(AttachModelTest, M12_EveryByteIsAccountedForAtBothEndsAndNobodyWaitsInVain) {
  const auto seed = static_cast<uint64_t>(GetParam());
  const std::vector<ModelStep> steps = ModelSteps(seed, kSteps);
  const Outcome outcome = Play(seed, steps);
  EXPECT_GT(outcome.counts.taken, 0u);
  if (!outcome.failure.empty()) Tell(seed, steps, outcome);
}

// The model is worth something only when all of this happens.
TEST(AttachModelItselfTest, BytesGetThroughAStorm) {
  AttachModel::Counts all;
  for (uint64_t seed = 1; seed <= 10; ++seed) all.Add(Play(seed, ModelSteps(seed, kSteps)).counts);
  EXPECT_GT(all.taken, 200'000u);
  EXPECT_GT(all.got, 100'000u);
  EXPECT_GT(all.lost, 20'000u);
  EXPECT_GT(all.dropped, 10'000u);
  EXPECT_GT(all.streams, 60u);
  EXPECT_GT(all.offences, 5u);
  EXPECT_GT(all.superseded, 2u);
  EXPECT_GT(all.mixed, 20u) << "few messages have bytes of several channels";
}

INSTANTIATE_TEST_SUITE_P(Seeds, AttachModelTest, ::testing::Range(1, Seeds() + 1),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace entropyd
