// Runs the class tree of the server on a scenario, in simulated time.
//
//   auto shares = SimulateClasses(scenario);
//   if (shares.ok()) Print(shares->leaf["www"]);
//
// The figures of a scenario may be tiny, but the tree gives whole chunks. So all rates are
// multiplied by one factor, and the shares divided by it. With this factor the smallest share is at
// least a thousand chunks a second; a first, short run finds the smallest share. The simulation is
// bounded: when shares differ by more than about 1 to 10,000, the small ones are less exact, and
// the result has a warning.
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
