// The scenarios worked out by hand, each checked twice: against the fluid model of the simulation
// and against the tree itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/class_tree/steady_load.h"
#include "tests/base/class_tree/class_scenarios.h"
#include "tests/base/class_tree/shaping_simulation.h"

namespace entropyd {
namespace {

// Of a leaf's long-run share.
constexpr double kWorstLeaf = 0.002;

class ClassTreeScenariosTest : public ::testing::TestWithParam<HandWorkedScenario> {};

INSTANTIATE_TEST_SUITE_P(HandWorked, ClassTreeScenariosTest,
                         ::testing::ValuesIn(HandWorkedScenarios()),
                         [](const auto& info) { return info.param.name; });

TEST_P(ClassTreeScenariosTest, LongRunSharesAreThoseWorkedOutByHand) {
  const HandWorkedScenario& scenario = GetParam();
  // A thousand chunks a second to the smallest of the leaves that get any.
  double smallest = HUGE_VAL;
  for (const auto& [name, share] : scenario.expect) {
    if (share > 0) smallest = std::min(smallest, share);
  }
  constexpr uint32_t kChunk = 256;
  const double unit = std::isinf(smallest) ? 1000 : std::ceil(1000 * kChunk / smallest);
  std::vector<ClassTree::ClassSpec> specs;
  for (const HandWorkedScenario::Class& c : scenario.classes) {
    ClassTree::ClassSpec spec{.name = c.name, .parent = c.parent};
    spec.rate = static_cast<uint64_t>(c.rate * unit);
    if (c.ceil != HandWorkedScenario::kNone) spec.ceil = static_cast<uint64_t>(c.ceil * unit);
    spec.weight = c.weight;
    spec.prio = c.prio;
    specs.push_back(spec);
  }
  SteadyLoad load{.capacity = scenario.capacity * unit};
  for (const auto& [name, bytes_per_second] : scenario.load) {
    load.demand[name] = bytes_per_second * unit;
  }
  const auto fluid = FluidShares(load.capacity, scenario.shed, specs, load.demand);
  ShapingSimulation sim(
      {.chunk_bytes = kChunk, .shed = scenario.shed, .allow_zero_rate_leaves = true}, specs);
  if (scenario.classes.size() > 100) load.seconds = 5;  // a million grants a second
  const auto measured = MeasureShares(&sim, load);
  EXPECT_EQ(sim.violation(), "");
  ASSERT_EQ(measured.size(), scenario.expect.size());
  double worst = 0;
  for (const auto& [name, share] : scenario.expect) {
    EXPECT_NEAR(fluid.at(name), share * unit, 1e-6 * unit) << name;
    EXPECT_NEAR(measured.at(name), share * unit, kWorstLeaf * share * unit) << name;
    if (share > 0) worst = std::max(worst, std::abs(measured.at(name) / (share * unit) - 1));
  }
  RecordProperty("worst_leaf_percent", std::to_string(100 * worst));
}

}  // namespace
}  // namespace entropyd
