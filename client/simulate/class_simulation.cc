#include "client/simulate/class_simulation.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/class_tree/steady_load.h"
#include "base/class_tree/token_bucket.h"

namespace entropyd {
namespace {

constexpr uint32_t kChunk = 256;  // that of a `full` pool
constexpr double kMinChunksPerSecond = 1000;
// A share that is measured with fewer chunks may be wrong by more than 1 %.
constexpr double kMinChunks = 500;
// Of the first run. In one second so many grants find shares that differ by 1 to 10,000.
constexpr double kPilotChunksPerSecond = 100'000;
constexpr double kPilotWarmUp = 0.5;
constexpr double kPilotSeconds = 1;
// Of the second run. A class whose load or share is close to its rate or ceil needs about a hundred
// times the 10 ms of its bucket to settle.
constexpr double kWarmUp = 2;
constexpr double kSeconds = 8;
// At a third of a microsecond each, ten simulated seconds take ten seconds on a slow machine.
constexpr double kMaxChunksPerSecond = 3e6;

// The rate times the factor, in whole bytes/s, at most what a bucket can hold.
uint64_t Scale(double rate, double factor) {
  const double scaled = rate * factor * (1 + 1e-9);  // 0.3 x 1000 is 300, whatever 0.3 is in binary
  return static_cast<uint64_t>(std::min(scaled, static_cast<double>(TokenBucket::kMaxRate)));
}

std::vector<ClassTree::ClassSpec> Specs(const ClassScenario& scenario, double factor) {
  std::map<std::string, uint64_t> children_rate;
  std::vector<ClassTree::ClassSpec> specs(scenario.classes.size());
  for (size_t i = specs.size(); i-- > 0;) {
    const ClassScenario::Class& c = scenario.classes[i];
    ClassTree::ClassSpec& spec = specs[i];
    spec.name = c.name;
    spec.parent = c.parent;
    spec.prio = c.prio;
    spec.weight = c.weight;
    // Without fractions a correct scenario must not become one that the tree refuses.
    spec.rate = std::max(Scale(c.rate, factor), children_rate[c.name]);
    if (c.rate > 0) spec.rate = std::max<uint64_t>(spec.rate, 1);
    children_rate[c.parent] += spec.rate;
    // A ceiling above what a bucket can hold is far above everything in the simulation.
    if (c.ceil * factor < static_cast<double>(TokenBucket::kMaxRate)) {
      spec.ceil = std::max(Scale(c.ceil, factor), spec.rate);
    }
  }
  return specs;
}

// Shares in scaled bytes/s.
absl::StatusOr<std::map<std::string, double>> Run(const ClassScenario& scenario, double factor,
                                                  double warm_up, double seconds) {
  auto tree = ClassTree::Create(
      {.chunk_bytes = kChunk, .shed = scenario.shed, .allow_zero_rate_leaves = true},
      Specs(scenario, factor));
  if (!tree.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(scenario.file, ": ", tree.status().message()));
  }
  SteadyLoad load{.capacity = scenario.capacity * factor, .warm_up = warm_up, .seconds = seconds};
  for (const auto& [leaf, bytes_per_second] : scenario.load) {
    load.demand[leaf] = bytes_per_second * factor;
  }
  return MeasureShares(tree->get(), load);
}

// The largest factor with which a bucket can still hold every rate.
double LargestFactor(const ClassScenario& scenario, double most) {
  double largest = most;
  for (const ClassScenario::Class& c : scenario.classes) largest = std::max(largest, c.rate);
  return static_cast<double>(TokenBucket::kMaxRate) / largest;
}

double Smallest(const std::map<std::string, double>& shares) {
  double smallest = HUGE_VAL;
  for (const auto& [name, share] : shares) {
    if (share > 0) smallest = std::min(smallest, share);
  }
  return smallest;
}

}  // namespace

absl::StatusOr<SimulatedShares> SimulateClasses(const ClassScenario& scenario) {
  SimulatedShares result;
  const double most = MostServed(scenario);
  // When there is nothing to give or nobody asks, any factor is right.
  const double pilot_factor =
      most > 0 ? std::min(kPilotChunksPerSecond * kChunk / most, LargestFactor(scenario, most)) : 1;
  auto pilot = Run(scenario, pilot_factor, kPilotWarmUp, kPilotSeconds);
  if (!pilot.ok()) return pilot.status();
  const double smallest = Smallest(*pilot) / kChunk;  // chunks/s
  double factor = pilot_factor * std::max(1.0, kMinChunksPerSecond / smallest);
  if (most > 0) {
    factor = std::min({factor, kMaxChunksPerSecond * kChunk / most, LargestFactor(scenario, most)});
  }
  auto shares = Run(scenario, factor, kWarmUp, kSeconds);
  if (!shares.ok()) return shares.status();
  for (const auto& [name, share] : *shares) {
    const double chunks = share * kSeconds / kChunk;
    if (share > 0 && chunks < kMinChunks) {
      result.warnings.push_back(absl::StrFormat(
          "%s: class '%s': share %.6g is so far below the largest that it was found from %.0f "
          "chunks only, to some %.1f %%",
          scenario.file, name, share / factor, chunks, 200 / chunks));
    }
    result.leaf[name] = share / factor;
  }
  return result;
}

}  // namespace entropyd
