#include "tests/base/random_tree.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Returns the rate of the class made.
uint64_t Grow(Random* random, const TreeShape& shape, const std::string& name,
              const std::string& parent, uint32_t depth, bool weighted, RandomTree* tree) {
  const size_t index = tree->specs.size();
  ClassTree::ClassSpec spec{.name = name, .parent = parent};
  if (weighted) spec.weight = random->Uniform(0.5, 8);
  if (shape.prios && random->Chance(0.4)) spec.prio = static_cast<uint32_t>(random->Below(8));
  tree->specs.push_back(spec);
  uint64_t rate = 0;
  if (depth > 0 && (depth >= shape.max_depth || random->Chance(0.3))) {
    rate = static_cast<uint64_t>(20'000 * std::pow(2.0, random->Uniform(0, 4)));
    tree->specs[index].rate = rate;
    tree->leaves.push_back(index);
  } else {
    const bool children_weighted = random->Chance(0.5);
    for (uint64_t i = 0, n = 2 + random->Below(3); i < n; ++i) {
      rate +=
          Grow(random, shape, absl::StrCat(name, ".", i), name, depth + 1, children_weighted, tree);
    }
    if (shape.spare_inner_rates && random->Chance(0.3)) {
      rate = static_cast<uint64_t>(static_cast<double>(rate) * random->Uniform(1, 1.5));
      tree->specs[index].rate = rate;
    }
  }
  if (shape.ceilings && random->Chance(0.4)) {
    tree->specs[index].ceil =
        random->Chance(0.2)
            ? rate
            : static_cast<uint64_t>(static_cast<double>(rate) * random->Uniform(1, 4));
  }
  return rate;
}

}  // namespace

uint64_t FreshSeed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("ENTROPYD_TEST_SEED");
    uint64_t value = 0;
    if (text != nullptr && absl::SimpleAtoi(text, &value)) return value;
    return uint64_t{std::random_device()()};
  }();
  return seed;
}

RandomTree MakeTree(Random* random, const TreeShape& shape) {
  RandomTree tree;
  tree.rate = static_cast<double>(Grow(random, shape, "r", "", 0, false, &tree));
  return tree;
}

ClassTree::Shed RandomShed(Random* random) {
  return random->Chance(0.5) ? ClassTree::Shed::kPriority : ClassTree::Shed::kProportional;
}

}  // namespace entropyd
