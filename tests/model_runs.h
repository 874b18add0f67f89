// Runs of a model: a world of real objects, in which what happens next is chosen by a seed. After
// each step the model checks what must hold. A failure says the seed and the shortest list of steps
// that was found, in which it still happens.
//
//   struct MyStepKinds {
//     enum class Kind { kRead, kPass };
//     static constexpr std::array<StepKind, 2> kKinds = {{{"read", 300}, {"pass", 40}}};
//     static constexpr uint64_t kMax = 1000;
//   };
//   using Step = StepOf<MyStepKinds>;
//   class Model {
//    public:
//     struct Counts { … };   // what happened, so that a test sees it
//     explicit Model(uint64_t seed);
//     void Do(const Step& step);                             // means something in any state
//     void Check();
//     void Finish(const std::function<bool()>& failed);      // ends early when `failed` says so
//     const Counts& counts() const;
//   };
//
//   TEST_P(MyModelTest, WhatHolds) {
//     ModelRuns<Model, Step>::Run(GetParam(), Step::Random(GetParam(), 500));
//   }
//   INSTANTIATE_TEST_SUITE_P(Seeds, MyModelTest, ::testing::Range(1, ModelSeeds(50) + 1),
//                            ::testing::PrintToStringParamName());
//
// ENTROPYD_TEST_SCALE says how many seeds there are. One seed alone:
//   server_test --gtest_filter=Seeds/MyModelTest.*/SEED
//
// Thread safety: none. Failures of other threads reach the test directly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace entropyd {

// How many seeds a run has, when it has `usual` at scale 1.
inline int ModelSeeds(int usual) {
  const char* const text = std::getenv("ENTROPYD_TEST_SCALE");
  double scale = 1;
  if (text != nullptr && (!absl::SimpleAtod(text, &scale) || scale <= 0)) scale = 1;
  return std::max(4, static_cast<int>(usual * scale));
}

// What a kind of step is called, and how often it comes beside the others.
struct StepKind {
  const char* name;
  double weight;
};

// A step of a model: what happens, to which of several, and how much of it. `Of` has `enum class
// Kind`, which counts from 0; `kKinds`, a table in that order; and `kMax`, which `b` does not
// reach. A step means something in any state, so that a list without some of its steps is one, too.
template <typename Of>
struct StepOf {
  using Kind = typename Of::Kind;

  Kind kind;
  uint64_t a;
  uint64_t b;

  std::string Text() const {
    return absl::StrCat(Of::kKinds[static_cast<size_t>(kind)].name, "(", a, ",", b, ")");
  }

  // As the table weighs the kinds.
  static std::vector<double> Weights() {
    std::vector<double> weights;
    for (const StepKind& one : Of::kKinds) weights.push_back(one.weight);
    return weights;
  }
  static std::vector<StepOf> Random(uint64_t seed, size_t count,
                                    const std::vector<double>& weights = Weights()) {
    std::mt19937_64 random(seed);
    std::discrete_distribution<int> kinds(weights.begin(), weights.end());
    std::vector<StepOf> steps;
    for (size_t i = 0; i < count; ++i) {
      steps.push_back({static_cast<Kind>(kinds(random)), random() % 1000, random() % Of::kMax});
    }
    return steps;
  }
};

template <typename Model, typename Step>
class ModelRuns {
 public:
  struct Outcome {
    std::string failure;  // the first one; "" = none
    size_t steps = 0;     // until it was seen
    typename Model::Counts counts;
  };

  // Failures of the model come back and do not reach the test.
  static Outcome Play(uint64_t seed, const std::vector<Step>& steps) {
    testing::TestPartResultArray results;
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &results);
    const std::function<bool()> failed = [&results] { return results.size() > 0; };
    Outcome outcome;
    Model model(seed);
    for (; outcome.steps < steps.size() && !failed(); ++outcome.steps) {
      model.Do(steps[outcome.steps]);
      model.Check();
    }
    if (!failed()) model.Finish(failed);
    outcome.failure = FirstFailure(results);
    outcome.counts = model.counts();
    return outcome;
  }

  // Fails with the shortest list of steps that is found.
  static Outcome Run(uint64_t seed, std::vector<Step> steps) {
    Outcome outcome = Play(seed, steps);
    if (outcome.failure.empty()) return outcome;
    steps.resize(outcome.steps);
    const std::vector<Step> shorter = Shortened(seed, std::move(steps));
    ADD_FAILURE() << "seed " << seed << ", after step " << outcome.steps << ": " << outcome.failure
                  << "\nWith only these " << shorter.size()
                  << " steps: " << Play(seed, shorter).failure << "\n"
                  << absl::StrJoin(shorter, " ", [](std::string* out, const Step& step) {
                       absl::StrAppend(out, step.Text());
                     });
    return outcome;
  }

 private:
  // Of a failing list, when it is made shorter.
  static constexpr int kMaxTries = 200;

  static std::string FirstFailure(const testing::TestPartResultArray& results) {
    for (int i = 0; i < results.size(); ++i) {
      const testing::TestPartResult& one = results.GetTestPartResult(i);
      if (!one.failed()) continue;
      return absl::StrCat(one.file_name() == nullptr ? "" : one.file_name(), ":", one.line_number(),
                          ": ", one.message());
    }
    return "";
  }

  // Takes out what the failure does not need, in ever smaller pieces.
  static std::vector<Step> Shortened(uint64_t seed, std::vector<Step> steps) {
    int tries = 0;
    for (size_t piece = steps.size() / 2; piece > 0; piece /= 2) {
      for (size_t at = 0; at + piece <= steps.size() && tries < kMaxTries;) {
        std::vector<Step> fewer = steps;
        const auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(piece));
        ++tries;
        const Outcome outcome = Play(seed, fewer);
        if (outcome.failure.empty()) {
          at += piece;
          continue;
        }
        fewer.resize(std::min(outcome.steps, fewer.size()));
        steps = std::move(fewer);
      }
    }
    return steps;
  }
};

}  // namespace entropyd
