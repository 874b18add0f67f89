#include "base/class_tree/steady_load.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace entropyd {
namespace {

// Far more than any simulation gives away. Adding arrivals to it does not overflow.
constexpr uint64_t kBacklog = uint64_t{1} << 60;
// What a leaf with a bounded load waits for at first: twice its default burst.
constexpr double kFirstBacklogSeconds = 0.02;

struct Leaf {
  std::string name;
  ClassTree::MemberId member = 0;
  double demand = 0;   // bytes/s; infinity = backlogged
  double arrived = 0;  // the part of a byte that has not been asked for yet
  uint64_t warm_up_bytes = 0;
};

uint32_t TakeAll(ClassTree::MemberId, void*, uint32_t bytes) { return bytes; }

// Counts what the sources have brought and nobody has taken.
class Supply {
 public:
  explicit Supply(double per_tick) : per_tick_(per_tick) {}
  uint64_t Tick() {
    if (std::isinf(per_tick_)) return ClassTree::kUnlimited;
    credit_ =
        std::min(credit_ + per_tick_, 2 * per_tick_);  // a pool that is full stops its sources
    return static_cast<uint64_t>(credit_);
  }
  void Take(uint64_t bytes) {
    if (!std::isinf(per_tick_)) credit_ -= static_cast<double>(bytes);
  }

 private:
  const double per_tick_;
  double credit_ = 0;
};

void Arrive(ClassTree* tree, std::vector<Leaf>* leaves, double seconds, int64_t now_nanos) {
  for (Leaf& leaf : *leaves) {
    if (std::isinf(leaf.demand) || leaf.demand == 0) continue;
    leaf.arrived += leaf.demand * seconds;
    const uint64_t whole = static_cast<uint64_t>(leaf.arrived);
    leaf.arrived -= static_cast<double>(whole);
    tree->Want(leaf.member, tree->MemberWant(leaf.member) + whole, now_nanos);
  }
}

}  // namespace

std::map<std::string, double> MeasureShares(ClassTree* tree, const SteadyLoad& load) {
  std::vector<Leaf> leaves;
  uint64_t bursts = 0;
  for (const ClassTree::ClassStats& stats : tree->Stats(0)) {
    if (!stats.leaf) continue;
    bursts += stats.spec.burst;
    Leaf leaf{.name = stats.spec.name};
    leaf.member = tree->AddMember(tree->FindLeaf(leaf.name).value(), {});
    const auto found = load.demand.find(leaf.name);
    leaf.demand = found == load.demand.end() ? HUGE_VAL : found->second;
    if (std::isinf(leaf.demand)) tree->Want(leaf.member, kBacklog, 0);
    leaves.push_back(std::move(leaf));
  }
  constexpr uint32_t kNoLimit = 1u << 31;
  Arrive(tree, &leaves, kFirstBacklogSeconds, 0);
  tree->Distribute(0, {.capacity_bytes = bursts, .max_grants = kNoLimit}, TakeAll);

  const double tick_seconds = static_cast<double>(load.tick_nanos) / 1e9;
  const int64_t warm = std::llround(load.warm_up / tick_seconds);
  const int64_t end = std::llround((load.warm_up + load.seconds) / tick_seconds);
  Supply supply(load.capacity * tick_seconds);
  for (int64_t tick = 1; tick <= end; ++tick) {
    const int64_t now = tick * load.tick_nanos;
    Arrive(tree, &leaves, tick_seconds, now);
    supply.Take(
        tree->Distribute(now, {.capacity_bytes = supply.Tick(), .max_grants = kNoLimit}, TakeAll)
            .bytes);
    if (tick != warm) continue;
    for (Leaf& leaf : leaves) leaf.warm_up_bytes = tree->MemberDelivered(leaf.member);
  }
  std::map<std::string, double> shares;
  for (const Leaf& leaf : leaves) {
    const uint64_t counted = tree->MemberDelivered(leaf.member) - leaf.warm_up_bytes;
    shares[leaf.name] =
        static_cast<double>(counted) / (static_cast<double>(end - warm) * tick_seconds);
  }
  return shares;
}

}  // namespace entropyd
