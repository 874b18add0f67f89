// New figures for the classes of a pool that serves. A change of classes gives them to the owner of
// the class tree.
//
//   dispatcher.UpdateClasses({"default", specs, {"gold"}}, now_nanos);
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <string>
#include <vector>

#include "base/class_tree/class_tree.h"

namespace entropyd {

// The classes themselves stay.
struct ClassUpdate {
  std::string pool;
  // The specs of all classes of the pool.
  std::vector<ClassTree::ClassSpec> specs;
  // The classes whose figures differ from the configuration.
  std::vector<std::string> differing;
};

}  // namespace entropyd
