// A scenario for `entropyctl classes simulate`: a class tree, a capacity and the loads.
//
//   {"capacity": 100, "shed": "proportional",
//    "classes": [{"name": "root"},
//                {"name": "www", "parent": "root", "rate": 30, "ceil": 100, "weight": 3},
//                {"name": "bulk", "parent": "root", "rate": 10, "prio": 1}],
//    "load": {"www": 45, "bulk": null}}
//
// All figures are bytes per second and need not be whole.
//
//   capacity  null = no limit
//   shed      left out = proportional
//   rate      left out = 0 for a leaf, the sum of its children's rates for an inner class
//   ceil      null or left out = no ceiling
//   weight    left out = the rate
//   prio      left out = 0
//   load      null or left out = the leaf is backlogged
//
// Thread safety: functions without state.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/class_tree/class_tree.h"

namespace entropyd {

struct ClassScenario {
  struct Class {
    std::string name;
    std::string parent;  // empty = the root
    bool leaf = false;
    double rate = 0;         // bytes/s
    double ceil = HUGE_VAL;  // bytes/s
    double weight = 0;       // the root's may be 0
    uint32_t prio = 0;
  };
  std::string file;     // for messages
  double capacity = 0;  // bytes/s; infinity = no limit
  ClassTree::Shed shed = ClassTree::Shed::kProportional;
  std::vector<Class> classes;  // defaults filled in; the root first, parents before children
  std::map<std::string, double> load;  // bytes/s by leaf; missing = backlogged
  std::vector<std::string> warnings;   // what a simulation accepts and the server would refuse
};

// `file` is only for messages. Errors: INVALID_ARGUMENT naming file, class, value and remedy.
absl::StatusOr<ClassScenario> ParseClassScenario(absl::string_view json, absl::string_view file);

// `path` "-" is the standard input. Errors: as above, and when the file cannot be read.
absl::StatusOr<ClassScenario> ReadClassScenario(const std::string& path);

// The most that all leaves together can be given, in bytes/s.
double MostServed(const ClassScenario& scenario);

}  // namespace entropyd
