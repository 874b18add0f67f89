// A scenario of `entropyctl classes simulate`: a class tree, a capacity and the loads offered.
//
//   {"capacity": 100, "shed": "proportional",
//    "classes": [{"name": "root"},
//                {"name": "www", "parent": "root", "rate": 30, "ceil": 100, "weight": 3, "prio":
//                0},
//                {"name": "bulk", "parent": "root", "rate": 10}],
//    "load": {"www": 45, "bulk": null}}
//
// All figures are bytes per second and need not be whole. `capacity: null` is no limit, no `ceil`
// (or null) no ceiling, a leaf whose load is null or left out is backlogged. Left out, a leaf's
// rate is 0, an inner class's the sum of its children's, a weight the rate, a prio 0, `shed`
// proportional.
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
  std::vector<std::string> warnings;   // what the server would refuse and a simulation takes
};

// `file` is only named. Errors: INVALID_ARGUMENT naming file, class, value and remedy.
absl::StatusOr<ClassScenario> ParseClassScenario(absl::string_view json, absl::string_view file);

// `path` "-" is the standard input. Errors: as above, and when the file cannot be read.
absl::StatusOr<ClassScenario> ReadClassScenario(const std::string& path);

// The most that all leaves together can be given, in bytes/s.
double MostServed(const ClassScenario& scenario);

}  // namespace entropyd
