// Measures what a grant of the class tree costs on one core. The tree has LEAVES leaves, DEPTH
// levels below the root. All leaves are backlogged, rates and weights are random, and every second
// class has a ceiling. The supply is 1.5 times the guarantees, in ticks of 1 ms of simulated time.
// Prints one JSON line:
//   {"ns_per_grant": …, "grants": …, "bytes_per_class": …, "bytes_per_member": …}
//
//   bench_class_tree LEAVES DEPTH SECONDS
//
// The nanoseconds are CPU time of the thread. Members are idle while their memory is counted.
#include <malloc.h>
#include <time.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/class_tree/class_tree.h"

namespace entropyd {
namespace {

constexpr uint32_t kChunk = 256;
constexpr uint32_t kGrantsPerTick = 2000;  // far below the dispatcher's 4,096 in a pass
constexpr int64_t kTick = 1'000'000;
constexpr double kOverSupply = 1.5;
constexpr uint64_t kMembers = 100'000;

int64_t CpuNanos() {
  timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

uint64_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Gives all inner classes the same number of children, as far as LEAVES allows.
class Planter {
 public:
  Planter(uint64_t leaves, uint32_t depth) : leaves_(leaves), depth_(depth) {
    Grow("r", "", 0, leaves);
  }
  const std::vector<ClassTree::ClassSpec>& specs() const { return specs_; }
  const std::vector<std::string>& leaves() const { return names_; }

 private:
  // Makes a class with `leaves` leaves below it, or a leaf. Returns its rate.
  uint64_t Grow(const std::string& name, const std::string& parent, uint32_t level,
                uint64_t leaves) {
    const size_t index = specs_.size();
    specs_.push_back({.name = name, .parent = parent});
    uint64_t rate = 0;
    if (level == depth_) {
      const double mean = kGrantsPerTick * kChunk * (1e9 / kTick) / kOverSupply / leaves_;
      rate = 1 + static_cast<uint64_t>(mean * std::uniform_real_distribution<>(0.5, 1.5)(random_));
      names_.push_back(name);
    } else {
      const double levels = depth_ - level;
      const uint64_t children =
          level + 1 == depth_ ? leaves
                              : static_cast<uint64_t>(std::lround(std::pow(leaves, 1 / levels)));
      for (uint64_t i = 0; i < children; ++i) {
        const uint64_t share = leaves * (i + 1) / children - leaves * i / children;
        rate += Grow(absl::StrCat(name, ".", i), name, level + 1, share);
      }
    }
    ClassTree::ClassSpec& spec = specs_[index];
    spec.rate = rate;
    spec.weight = std::uniform_real_distribution<>(0.5, 8)(random_);
    if (index % 2 == 1) spec.ceil = 2 * rate;
    return rate;
  }

  const uint64_t leaves_;
  const uint32_t depth_;
  std::mt19937_64 random_{20121205};
  std::vector<ClassTree::ClassSpec> specs_;
  std::vector<std::string> names_;
};

std::unique_ptr<ClassTree> Plant(const Planter& planter) {
  auto tree = ClassTree::Create({.chunk_bytes = kChunk}, planter.specs());
  if (!tree.ok()) {
    std::fprintf(stderr, "bench_class_tree: %s\n", tree.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(tree);
}

struct Speed {
  double ns_per_grant = 0;
  uint64_t grants = 0;
};

Speed MeasureSpeed(const Planter& planter, double seconds) {
  const std::unique_ptr<ClassTree> tree = Plant(planter);
  for (const std::string& leaf : planter.leaves()) {
    tree->Want(tree->AddMember(*tree->FindLeaf(leaf), {}), uint64_t{1} << 60, 0);
  }
  const ClassTree::Pass pass{.capacity_bytes = kGrantsPerTick * kChunk};
  int64_t now = 0;
  uint64_t grants = 0;
  const auto run = [&](double run_seconds) {
    const int64_t start = CpuNanos();
    int64_t spent = 0;
    grants = 0;
    do {
      now += kTick;
      grants +=
          tree->Distribute(now, pass, [](ClassTree::MemberId, void*, uint32_t n) { return n; })
              .grants;
      spent = CpuNanos() - start;
    } while (static_cast<double>(spent) < run_seconds * 1e9);
    return spent;
  };
  run(seconds / 4);  // empties the buckets, which start full
  const int64_t spent = run(seconds);
  return {static_cast<double>(spent) / static_cast<double>(grants), grants};
}

int Main(int argc, char** argv) {
  uint64_t leaves = 0;
  uint32_t depth = 0;
  double seconds = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[1], &leaves) || !absl::SimpleAtoi(argv[2], &depth) ||
      !absl::SimpleAtod(argv[3], &seconds) || leaves == 0 || depth == 0) {
    std::fprintf(stderr, "usage: bench_class_tree LEAVES DEPTH SECONDS\n");
    return 2;
  }
  const Planter planter(leaves, depth);
  const uint64_t empty = AllocatedBytes();
  const std::unique_ptr<ClassTree> tree = Plant(planter);
  const uint64_t planted = AllocatedBytes();
  const ClassTree::ClassId leaf = *tree->FindLeaf(planter.leaves().front());
  for (uint64_t i = 0; i < kMembers; ++i) tree->AddMember(leaf, {.ceil = 1000});
  const uint64_t peopled = AllocatedBytes();
  const Speed speed = MeasureSpeed(planter, seconds);
  std::printf(
      "{\"ns_per_grant\": %.1f, \"grants\": %llu, \"bytes_per_class\": %.1f, "
      "\"bytes_per_member\": %.1f}\n",
      speed.ns_per_grant, static_cast<unsigned long long>(speed.grants),
      static_cast<double>(planted - empty) / static_cast<double>(planter.specs().size()),
      static_cast<double>(peopled - planted) / kMembers);
  return 0;
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
