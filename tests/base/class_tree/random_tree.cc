#include "tests/base/class_tree/random_tree.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// Returns the rate of the new class.
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

using Specs = std::vector<ClassTree::ClassSpec>;

constexpr size_t kMaxClasses = 40;

bool IsBelow(const Specs& specs, const std::string& name, const std::string& ancestor) {
  for (std::string at = name; !at.empty();) {
    if (at == ancestor) return true;
    at = std::find_if(specs.begin(), specs.end(), [&](const auto& s) {
           return s.name == at;
         })->parent;
  }
  return false;
}

void Mutate(Random* random, Specs* specs) {
  const size_t which = random->Below(specs->size());
  ClassTree::ClassSpec& spec = (*specs)[which];
  const std::string name = spec.name;
  const std::string other = (*specs)[random->Below(specs->size())].name;
  const double dice = random->Uniform(0, 1);
  if (dice < 0.2) {
    spec.rate = static_cast<uint64_t>(static_cast<double>(spec.rate) * random->Uniform(0.3, 3));
  } else if (dice < 0.3) {
    spec.weight = random->Chance(0.5) ? 0 : random->Uniform(1000, 100'000);
  } else if (dice < 0.4) {
    spec.prio = static_cast<uint32_t>(random->Below(8));
  } else if (dice < 0.6) {
    spec.ceil = random->Chance(0.3) ? ClassTree::kUnlimited : random->Below(400'000);
  } else if (dice < 0.75) {
    if (!IsBelow(*specs, other, name)) spec.parent = other;
  } else if (dice < 0.87) {
    if (specs->size() >= kMaxClasses) return;
    ClassTree::ClassSpec child{.name = absl::StrCat("n", random->Below(1u << 31)), .parent = other};
    specs->push_back(child);
  } else if (!spec.parent.empty()) {
    const Specs before = *specs;
    specs->erase(std::remove_if(specs->begin(), specs->end(),
                                [&](const auto& s) { return IsBelow(before, s.name, name); }),
                 specs->end());
  }
}

// Makes rates, ceilings and bursts that the tree accepts. The classes are in any order.
uint64_t MendBelow(Random* random, uint32_t chunk_bytes, size_t index, RandomTree* tree) {
  uint64_t sum = 0;
  for (size_t i = 0; i < tree->specs.size(); ++i) {
    if (tree->specs[i].parent == tree->specs[index].name) {
      sum += MendBelow(random, chunk_bytes, i, tree);
    }
  }
  ClassTree::ClassSpec& spec = tree->specs[index];
  if (sum == 0) tree->leaves.push_back(index);
  spec.rate = sum > 0 ? std::max(sum, spec.rate) : std::clamp<uint64_t>(spec.rate, 1000, 500'000);
  if (spec.rate > 2 * sum && sum > 0) spec.rate = 0;
  const uint64_t rate = spec.rate == 0 ? sum : spec.rate;
  if (spec.ceil != ClassTree::kUnlimited) spec.ceil = std::max(spec.ceil, rate);
  const auto burst = [&](uint64_t bytes_per_second) {
    const uint64_t least = std::max<uint64_t>(4 * chunk_bytes, (bytes_per_second + 99) / 100);
    return random->Chance(0.7) ? 0 : least + random->Below(3 * least);
  };
  spec.burst = burst(rate);
  spec.cburst = spec.ceil == ClassTree::kUnlimited ? 0 : burst(spec.ceil);
  return rate;
}

void Mend(Random* random, uint32_t chunk_bytes, RandomTree* tree) {
  const auto root = std::find_if(tree->specs.begin(), tree->specs.end(),
                                 [](const auto& s) { return s.parent.empty(); });
  const size_t index = static_cast<size_t>(root - tree->specs.begin());
  tree->rate = static_cast<double>(MendBelow(random, chunk_bytes, index, tree));
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

RandomTree Evolve(Random* random, const RandomTree& tree, uint32_t chunk_bytes) {
  RandomTree next;
  next.specs = tree.specs;
  for (uint64_t i = 0, n = 1 + random->Below(4); i < n; ++i) Mutate(random, &next.specs);
  Mend(random, chunk_bytes, &next);
  return next;
}

ClassTree::Shed RandomShed(Random* random) {
  return random->Chance(0.5) ? ClassTree::Shed::kPriority : ClassTree::Shed::kProportional;
}

}  // namespace entropyd
