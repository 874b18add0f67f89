// Scenarios worked out by hand: what each leaf must get in the long run, and why.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/class_tree/class_tree.h"

namespace entropyd {

// Capacity, rates, load and expectation in one unit, to be multiplied as a test likes.
struct HandWorkedScenario {
  static constexpr double kNone = -1;

  struct Class {
    std::string name;
    std::string parent;   // empty = the root
    double rate = 0;      // 0 at an inner class: the sum of its children's
    double ceil = kNone;  // kNone = no ceiling
    double weight = 0;    // 0 = the rate
    uint32_t prio = 0;
  };
  std::string name;
  double capacity = 0;
  ClassTree::Shed shed = ClassTree::Shed::kProportional;
  std::vector<Class> classes;
  std::map<std::string, double> load;  // missing = backlogged
  std::map<std::string, double> expect;
};

// All of them; where random tests are shortened (TestScale()), those of up to a hundred classes.
const std::vector<HandWorkedScenario>& HandWorkedScenarios();

}  // namespace entropyd
