#include "tests/base/class_tree/class_scenarios.h"

#include "tests/base/class_tree/shaping_simulation.h"

namespace entropyd {
namespace {

using Scenario = HandWorkedScenario;
using Class = Scenario::Class;

constexpr double kNone = Scenario::kNone;
constexpr auto kProportional = ClassTree::Shed::kProportional;
constexpr auto kPriority = ClassTree::Shed::kPriority;

// Three tenants of one root, its sum being the capacity.
std::vector<Class> Three() {
  return {{"root", "", 100, 100, 0, 0},
          {"www", "root", 30, 100, 0, 0},
          {"other", "root", 10, 100, 0, 0},
          {"B", "root", 60, 100, 0, 0}};
}

// Two tenants, one of which is divided; `prio` is that of all but `other`.
std::vector<Class> Divided(uint32_t prio, double ceil_a = 100, double ceil_other = 100) {
  return {{"root", "", 100, 100, 0, 0},
          {"A", "root", 40, ceil_a, 0, prio},
          {"www", "A", 30, 100, 0, prio},
          {"other", "A", 10, ceil_other, 0, 0},
          {"B", "root", 60, 100, 0, prio}};
}

// A divided tenant whose parts are ranked.
std::vector<Class> Ranked() {
  return {{"A", "", 100, 100, 0, 0},
          {"B", "A", 60, 80, 0, 1},
          {"C", "A", 40, 80, 0, 1},
          {"D", "C", 10, 60, 0, 0},
          {"E", "C", 30, 60, 0, 1}};
}

std::vector<Class> Flat(uint32_t prio_of_a, uint32_t prio_of_others) {
  return {{"r", "", 100, kNone, 0, 0},
          {"a", "r", 30, kNone, 0, prio_of_a},
          {"b", "r", 10, kNone, 0, prio_of_others},
          {"d", "r", 60, kNone, 0, prio_of_others}};
}

// Three tenants and two: guarantees, and who gets what others leave.
std::vector<Scenario> Tenants() {
  return {
      // No excess: everybody is held to its guarantee.
      {"AllBacklogged",
       100,
       kProportional,
       Three(),
       {{"www", 90}, {"other", 90}, {"B", 90}},
       {{"www", 30}, {"other", 10}, {"B", 60}}},
      // The idle 10 are shared 30:60.
      {"OneStops",
       100,
       kProportional,
       Three(),
       {{"www", 90}, {"other", 0}, {"B", 90}},
       {{"www", 100.0 / 3}, {"other", 0}, {"B", 200.0 / 3}}},
      {"OnlyOneSends",
       100,
       kProportional,
       Three(),
       {{"www", 90}, {"other", 0}, {"B", 0}},
       {{"www", 90}, {"other", 0}, {"B", 0}}},
      // A gets 40 and the spare 60; inside 30 + 10, then 60 as 3:1.
      {"BorrowedIsSharedInside",
       100,
       kProportional,
       Divided(0),
       {{"www", 90}, {"other", 90}, {"B", 0}},
       {{"www", 75}, {"other", 25}, {"B", 0}}},
      // A is cut at 60: 40 go unused; inside the spare 20 as 3:1.
      {"InnerCeilingBinds",
       100,
       kProportional,
       Divided(0, 60, 20),
       {{"www", 90}, {"other", 90}, {"B", 0}},
       {{"www", 45}, {"other", 15}, {"B", 0}}},
      // The excess goes to the lower prio number first: 10 + 60 < 90.
      {"ExcessByPrio",
       100,
       kProportional,
       Divided(1),
       {{"www", 90}, {"other", 90}, {"B", 0}},
       {{"www", 30}, {"other", 70}, {"B", 0}}},
      // What www leaves stays inside A, it is A's guarantee.
      {"GuaranteeStaysInside",
       100,
       kProportional,
       Divided(1),
       {{"www", 0}, {"other", 90}, {"B", 90}},
       {{"www", 0}, {"other", 40}, {"B", 60}}},
  };
}

// Tenants whose parts are ranked.
std::vector<Scenario> RankedTenants() {
  return {
      {"RankedAllBacklogged", 100, kProportional, Ranked(), {}, {{"B", 60}, {"D", 10}, {"E", 30}}},
      // Only D: cut at its ceil, 40 idle.
      {"RankedOnlyOne",
       100,
       kProportional,
       Ranked(),
       {{"B", 0}, {"E", 0}},
       {{"B", 0}, {"D", 60}, {"E", 0}}},
      // C is cut at 80: 10 + 30, D first takes 15 more, then E the other 25.
      {"RankedSmallNeedFirst",
       100,
       kProportional,
       Ranked(),
       {{"B", 0}, {"D", 25}},
       {{"B", 0}, {"D", 25}, {"E", 55}}},
  };
}

// Less than all guarantees together.
std::vector<Scenario> Short() {
  return {
      // A is entitled to 40 of its demand, B to 60: 24 and 36. Inside A 4 + 10 are guaranteed, and
      // the spare 10 go to other: shortage is judged node by node.
      {"ShortAtRootSpareInside",
       60,
       kProportional,
       Divided(0),
       {{"www", 4}},
       {{"www", 4}, {"other", 20}, {"B", 36}}},
      {"ShortEverywhere",
       50,
       kProportional,
       Divided(0),
       {},
       {{"www", 15}, {"other", 5}, {"B", 30}}},
      // Prio 0 whole, the other 20 over 10:60.
      {"ShortByPriority",
       50,
       kPriority,
       Flat(0, 1),
       {},
       {{"a", 30}, {"b", 20.0 / 7}, {"d", 120.0 / 7}}},
      {"EverySourceFailed", 0, kProportional, Flat(0, 0), {}, {{"a", 0}, {"b", 0}, {"d", 0}}},
  };
}

// A case for each rule: no demand, no borrowing, nothing guaranteed.
std::vector<Scenario> Limits() {
  return {
      {"NobodyAsks",
       100,
       kProportional,
       Flat(0, 0),
       {{"a", 0}, {"b", 0}, {"d", 0}},
       {{"a", 0}, {"b", 0}, {"d", 0}}},
      // No borrowing at all, 60 idle.
      {"CeilIsRate",
       100,
       kProportional,
       {{"r", "", 0, kNone, 0, 0}, {"a", "r", 30, 30, 0, 0}, {"b", "r", 10, 10, 0, 0}},
       {},
       {{"a", 30}, {"b", 10}}},
      // A leaf without a guarantee starves behind a better prio: why the loader refuses such
      // leaves.
      {"BestEffortStarves",
       100,
       kProportional,
       {{"r", "", 0, kNone, 0, 0}, {"a", "r", 50, kNone, 0, 0}, {"be", "r", 0, kNone, 1, 7}},
       {},
       {{"a", 100}, {"be", 0}}},
  };
}

// How excess is divided.
std::vector<Scenario> Excess() {
  return {
      // Prio is local: X's inner prio 0 does not beat Y, which stands above X at the root.
      {"PrioIsLocal",
       100,
       kProportional,
       {{"r", "", 0, kNone, 0, 0},
        {"X", "r", 20, kNone, 0, 1},
        {"x-hot", "X", 20, kNone, 0, 0},
        {"Y", "r", 20, kNone, 0, 0},
        {"y", "Y", 20, kNone, 0, 7}},
       {},
       {{"x-hot", 20}, {"y", 80}}},
      // Levels 20, 23.75, 24.33, then 24.5: max-min takes as many rounds as there are small needs.
      {"MaxMinInRounds",
       100,
       kProportional,
       {{"r", "", 0, kNone, 0, 0},
        {"a", "r", 0, kNone, 1, 0},
        {"b", "r", 0, kNone, 1, 0},
        {"d", "r", 0, kNone, 1, 0},
        {"e", "r", 0, kNone, 1, 0},
        {"f", "r", 0, kNone, 1, 0}},
       {{"a", 5}, {"b", 22}, {"d", 24}},
       {{"a", 5}, {"b", 22}, {"d", 24}, {"e", 24.5}, {"f", 24.5}}},
      // The spare 80 as 1:2:5: weight rules borrowing, not rate.
      {"WeightsNotRates",
       110,
       kProportional,
       {{"r", "", 0, kNone, 0, 0},
        {"a", "r", 10, kNone, 1, 0},
        {"b", "r", 10, kNone, 2, 0},
        {"d", "r", 10, kNone, 5, 0}},
       {},
       {{"a", 20}, {"b", 30}, {"d", 60}}},
  };
}

// A thousand hosts of 500 units each; `active` of them are backlogged.
Scenario Thousand(const char* name, int active, double ceil, double share) {
  Scenario scenario{name, 1e6, kProportional, {{"r", "", 0, kNone, 0, 0}}, {}, {}};
  for (int i = 0; i < 1000; ++i) {
    const std::string host = "h" + std::to_string(i);
    scenario.classes.push_back({host, "r", 500, ceil, 0, 0});
    scenario.expect[host] = i < active ? share : 0;
    if (i >= active) scenario.load[host] = 0;
  }
  return scenario;
}

std::vector<Scenario> All() {
  std::vector<Scenario> all;
  for (const auto& some : {Tenants(), RankedTenants(), Short(), Limits(), Excess()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  all.push_back(Thousand("AThousandEqualClasses", 1000, kNone, 1000));
  // A fair 2,000 each is cut by the ceiling: a tenth of the capacity is idle.
  all.push_back(Thousand("FiveHundredOfAThousand", 500, 1800, 1800));
  return all;
}

}  // namespace

const std::vector<HandWorkedScenario>& HandWorkedScenarios() {
  static const auto* all = [] {
    auto* const scenarios = new std::vector<Scenario>(All());
    // A thousand classes show nothing to a sanitizer that ten do not, and take a minute to do so.
    if (TestScale() < 1) {
      std::erase_if(*scenarios, [](const Scenario& one) { return one.classes.size() > 100; });
    }
    return scenarios;
  }();
  return *all;
}

}  // namespace entropyd
