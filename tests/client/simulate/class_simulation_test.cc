#include "client/simulate/class_simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/show/json_text.h"
#include "tests/base/class_tree/class_scenarios.h"
#include "tests/base/class_tree/random_tree.h"
#include "tests/base/class_tree/shaping_simulation.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Number(double value) { return absl::StrFormat("%.17g", value); }

// As an operator would write it.
std::string JsonOf(const HandWorkedScenario& scenario) {
  std::vector<std::string> classes;
  for (const HandWorkedScenario::Class& c : scenario.classes) {
    JsonObject json;
    json.Set("name", c.name);
    if (!c.parent.empty()) json.Set("parent", c.parent);
    if (c.rate > 0) json.SetRaw("rate", Number(c.rate));
    if (c.ceil != HandWorkedScenario::kNone) json.SetRaw("ceil", Number(c.ceil));
    if (c.weight > 0) json.SetRaw("weight", Number(c.weight));
    if (c.prio > 0) json.SetRaw("prio", absl::StrCat(c.prio));
    classes.push_back(json.ToString());
  }
  JsonObject load;
  for (const auto& [name, figure] : scenario.load) load.SetRaw(name, Number(figure));
  return JsonObject()
      .SetRaw("capacity", Number(scenario.capacity))
      .Set("shed", scenario.shed == ClassTree::Shed::kPriority ? "priority" : "proportional")
      .SetRaw("classes", JsonArray(classes))
      .SetRaw("load", load.ToString())
      .ToString();
}

// The worst leaf's deviation, relative to its share.
double WorstLeaf(const std::map<std::string, double>& shares,
                 const std::map<std::string, double>& expect) {
  double worst = 0;
  for (const auto& [name, share] : expect) {
    const double off = std::abs(shares.at(name) - share);
    worst = std::max(worst, share > 0 ? off / share : off);
  }
  return worst;
}

class ClassSimulationScenariosTest : public ::testing::TestWithParam<HandWorkedScenario> {};

INSTANTIATE_TEST_SUITE_P(HandWorked, ClassSimulationScenariosTest,
                         ::testing::ValuesIn(HandWorkedScenarios()),
                         [](const auto& info) { return info.param.name; });

TEST_P(ClassSimulationScenariosTest, SharesAreThoseWorkedOutByHand) {
  const auto scenario = ParseClassScenario(JsonOf(GetParam()), "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  const auto shares = SimulateClasses(*scenario);
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_THAT(shares->warnings, IsEmpty());
  ASSERT_EQ(shares->leaf.size(), GetParam().expect.size());
  const double worst = WorstLeaf(shares->leaf, GetParam().expect);
  EXPECT_LE(worst, 0.002);
  std::cout << "worst leaf " << 100 * worst << " %\n";
}

// The figures of a random tree in units of its own, in which they are tiny or have fractions.
ClassScenario RandomScenario(Random* random, double unit) {
  const RandomTree tree = MakeTree(random, {});
  std::vector<bool> is_leaf(tree.specs.size());
  for (size_t leaf : tree.leaves) is_leaf[leaf] = true;
  HandWorkedScenario written;
  written.shed = RandomShed(random);
  written.capacity = tree.rate * random->Uniform(0.2, 2.5) / unit;
  for (size_t i = 0; i < tree.specs.size(); ++i) {
    const ClassTree::ClassSpec& spec = tree.specs[i];
    const double ceil = spec.ceil == ClassTree::kUnlimited ? HandWorkedScenario::kNone
                                                           : static_cast<double>(spec.ceil) / unit;
    written.classes.push_back({spec.name, spec.parent, static_cast<double>(spec.rate) / unit, ceil,
                               spec.weight, spec.prio});
    if (!is_leaf[i]) continue;
    if (random->Chance(0.2)) written.load[spec.name] = 0;
    if (random->Chance(0.3)) {
      written.load[spec.name] = static_cast<double>(spec.rate) * random->Uniform(0.1, 3) / unit;
    }
  }
  return ParseClassScenario(JsonOf(written), "random.json").value();
}

// The fluid model takes whole bytes/s, of which there must be many.
std::map<std::string, double> Ideal(const ClassScenario& scenario, double unit) {
  std::vector<ClassTree::ClassSpec> specs;
  for (const ClassScenario::Class& c : scenario.classes) {
    ClassTree::ClassSpec spec{.name = c.name, .parent = c.parent, .weight = c.weight * unit};
    spec.rate = static_cast<uint64_t>(std::llround(c.rate * unit));
    if (std::isfinite(c.ceil)) spec.ceil = static_cast<uint64_t>(std::llround(c.ceil * unit));
    spec.prio = c.prio;
    specs.push_back(spec);
  }
  std::map<std::string, double> demand;
  for (const auto& [name, load] : scenario.load) demand[name] = load * unit;
  auto shares = FluidShares(scenario.capacity * unit, scenario.shed, specs, demand);
  for (auto& [name, share] : shares) share /= unit;
  return shares;
}

TEST(ClassSimulationTest, SharesOfRandomTreesAreTheFluidModels) {
  const uint64_t seed = FreshSeed();
  SCOPED_TRACE(absl::StrCat("ENTROPYD_TEST_SEED=", seed));
  double worst = 0;
  for (const uint64_t start : {uint64_t{20121205}, seed}) {
    Random random(start);
    const int trials = std::max(1, static_cast<int>(10 * TestScale()));
    for (int trial = 0; trial < trials; ++trial) {
      const double unit = std::pow(10.0, random.Uniform(0, 6));
      const ClassScenario scenario = RandomScenario(&random, unit);
      const auto shares = SimulateClasses(scenario);
      ASSERT_TRUE(shares.ok()) << shares.status();
      const auto ideal = Ideal(scenario, unit);
      const double dust = 1e-9 * scenario.capacity;  // what rounding leaves of a share of 0
      for (const auto& [name, share] : ideal) {
        const double off = std::abs(shares->leaf.at(name) - share);
        EXPECT_LE(off, 0.01 * share + dust)
            << name << " in trial " << trial << " of seed " << start;
        if (share > dust) worst = std::max(worst, off / share);
      }
    }
  }
  std::cout << "seed " << seed << ": worst leaf " << 100 * worst << " %\n";
}

TEST(ClassSimulationTest, AnUnlimitedCapacityGivesWhatCeilingsAndLoadsAllow) {
  const auto scenario = ParseClassScenario(R"({"capacity": null, "classes": [{"name": "root"},
      {"name": "a", "parent": "root", "rate": 1, "ceil": 2.5},
      {"name": "b", "parent": "root", "rate": 1}], "load": {"b": 0.25}})",
                                           "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  const auto shares = SimulateClasses(*scenario);
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_NEAR(shares->leaf.at("a"), 2.5, 0.005);
  EXPECT_NEAR(shares->leaf.at("b"), 0.25, 0.0005);
}

TEST(ClassSimulationTest, AShareTooSmallToBeExactIsAWarning) {
  const auto scenario = ParseClassScenario(R"({"capacity": 1e9, "classes": [{"name": "root"},
      {"name": "large", "parent": "root", "rate": 1},
      {"name": "small", "parent": "root", "rate": 1}], "load": {"small": 10000}})",
                                           "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  const auto shares = SimulateClasses(*scenario);
  ASSERT_TRUE(shares.ok()) << shares.status();
  EXPECT_THAT(shares->warnings, ElementsAre(HasSubstr("plan.json: class 'small'")));
  EXPECT_NEAR(shares->leaf.at("small"), 10'000, 500);
}

TEST(ClassSimulationTest, WhatTheTreeRefusesNamesTheFile) {
  const auto scenario = ParseClassScenario(R"({"capacity": 1, "classes": [{"name": "root"},
      {"name": "a", "parent": "root", "rate": 1, "weight": 1e-20},
      {"name": "b", "parent": "root", "rate": 1}]})",
                                           "plan.json");
  ASSERT_TRUE(scenario.ok()) << scenario.status();
  const absl::Status status = SimulateClasses(*scenario).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("plan.json: class 'b': weight 1"));
}

}  // namespace
}  // namespace entropyd
