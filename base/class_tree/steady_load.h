// Measures what each leaf of a class tree gets under constant load and constant supply, in
// simulated time.
//
//   SteadyLoad load{.capacity = 100e3, .demand = {{"www", 30e3}}};  // other leaves: backlogged
//   for (const auto& [leaf, bytes_per_second] : MeasureShares(tree.get(), load)) ...
//
// Errors: none.
//
// Thread safety: functions without state; the tree is the caller's.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/class_tree/class_tree.h"

namespace entropyd {

struct SteadyLoad {
  double capacity = 0;                        // bytes/s; infinity = whatever the tree allows
  std::map<std::string, double> demand = {};  // bytes/s by leaf; missing = backlogged
  double warm_up = 1;                         // seconds that are not counted
  double seconds = 10;                        // seconds that are counted
  int64_t tick_nanos = 1'000'000;             // the dispatcher's timer
};

// Adds one member to every leaf and returns what each got, in bytes/s. The buckets start full. A
// first pass empties them: it gives as much as the bursts of the leaves. In the long run the
// buckets of classes that borrow are empty, and a small excess would need minutes to empty them.
// REQUIRES: the tree has no members and its time is 0; when the capacity is infinite, a ceiling or
// a load bounds each leaf.
std::map<std::string, double> MeasureShares(ClassTree* tree, const SteadyLoad& load);

}  // namespace entropyd
