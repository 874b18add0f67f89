// A class tree under constant load and constant supply, in simulated time: what each leaf gets.
//
//   SteadyLoad load{.capacity = 100e3, .demand = {{"www", 30e3}}};   // all other leaves are
//   backlogged for (const auto& [leaf, bytes_per_second] : MeasureShares(tree.get(), load)) ...
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
  double seconds = 10;                        // seconds that are
  int64_t tick_nanos = 1'000'000;             // the dispatcher's timer
};

// Adds one member to every leaf and returns what each got, in bytes/s. The buckets, which start
// full, are emptied by a first pass that gives as much as the leaves' bursts: in the long run the
// buckets of those who borrow are empty, and a small excess would take minutes to get them there.
// REQUIRES: the tree has no members, its time is 0; some ceiling or load bounds each leaf when the
// capacity is infinite.
std::map<std::string, double> MeasureShares(ClassTree* tree, const SteadyLoad& load);

}  // namespace entropyd
