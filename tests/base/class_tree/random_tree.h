// Makes random class trees, for tests of what all trees promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/class_tree/class_tree.h"

namespace entropyd {

// Different in each run, or ENTROPYD_TEST_SEED. Tests print their seed.
uint64_t FreshSeed();

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  double Uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  uint64_t Below(uint64_t n) { return engine_() % n; }
  bool Chance(double p) { return Uniform(0, 1) < p; }

 private:
  std::mt19937_64 engine_;
};

struct RandomTree {
  std::vector<ClassTree::ClassSpec> specs;
  std::vector<size_t> leaves;  // indices into specs
  double rate = 0;             // of the root
};

struct TreeShape {
  bool ceilings = true;
  bool prios = true;
  bool spare_inner_rates = true;  // inner classes with a larger guarantee than their children
  uint32_t max_depth = 3;
};

RandomTree MakeTree(Random* random, const TreeShape& shape);
// Changes, moves, adds and removes some classes. The tree is correct again.
RandomTree Evolve(Random* random, const RandomTree& tree, uint32_t chunk_bytes);
ClassTree::Shed RandomShed(Random* random);

}  // namespace entropyd
