// Runs the class tree of the server on a scenario, in simulated time.
//
// A scenario's figures may be tiny, and the tree gives whole chunks: all rates are multiplied by
// one factor, chosen so that the smallest share is at least a thousand chunks a second, and the
// shares divided by it. A first, short run finds that smallest share. What is simulated is bounded:
// beyond shares 1 to some ten thousand apart the small ones are less exact, which is a warning.
//
// Thread safety: functions without state.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/simulate/class_scenario.h"

namespace entropyd {

struct SimulatedShares {
  std::map<std::string, double> leaf;  // bytes/s
  std::vector<std::string> warnings;
};

// Errors: INVALID_ARGUMENT naming the file and the class, for what the tree itself refuses.
absl::StatusOr<SimulatedShares> SimulateClasses(const ClassScenario& scenario);

}  // namespace entropyd
