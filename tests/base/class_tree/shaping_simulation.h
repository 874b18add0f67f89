// Runs a class tree under load, and checks every grant with a second model that shares no code with
// the tree.
//
//   ShapingSimulation sim({.chunk_bytes = 256}, specs);
//   MemberId m = sim.AddMember("gold", {});
//   sim.Want(m, ShapingSimulation::kBacklogged);
//   sim.Distribute({.capacity_bytes = 100'000});
//   EXPECT_EQ(sim.violation(), "");
//
// It is a ClassTree itself, so everything that can use a tree can use a checked one.
//
// Checked at each grant: the offer is at most a turn and at most what the member wants; a parked
// member is not offered anything; no class or member exceeds ceil x t + cburst in any window.
// Checked after each pass: it ended for the reason it gave, and the next event is neither in the
// past nor later than the moment at which somebody becomes eligible.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/class_tree/class_tree.h"

namespace entropyd {

// A leaky bucket in exact arithmetic. In every window t: bytes <= ceil x t + burst, if and only if
// the level never exceeds the burst. When ceil and burst change on the way, the burst is the one in
// force when the window began, and ceil x t is summed up over the parts of the window.
class LeakyBucket {
 public:
  LeakyBucket(uint64_t ceil, uint64_t burst) : ceil_(ceil), epochs_{{burst, 0}} {}
  bool Add(uint64_t bytes, int64_t now_nanos);
  void Change(uint64_t ceil, uint64_t burst, int64_t now_nanos);
  // Nanoseconds from `now` until `bytes` would fit; 0 = they fit now.
  int64_t NanosUntil(uint64_t bytes, int64_t now_nanos) const;

 private:
  // The windows that begin between two changes. The level of the present epoch stops at 0. The
  // level of an earlier epoch is that of its fullest window, and continues to fall.
  struct Epoch {
    uint64_t burst;
    __int128 level;  // nano-bytes, at at_
  };
  __int128 LevelAt(const Epoch& epoch, int64_t now_nanos) const;
  void DrainTo(int64_t now_nanos);

  uint64_t ceil_;
  std::vector<Epoch> epochs_;  // the last one is the present
  int64_t at_ = 0;
};

class ShapingSimulation final : public ClassTree {
 public:
  static constexpr uint64_t kBacklogged = uint64_t{1} << 50;
  // How much of an offer a member takes; 0 parks it.
  using Appetite = std::function<uint32_t(MemberId, uint32_t)>;

  ShapingSimulation(const ClassTree::Options& options,
                    const std::vector<ClassTree::ClassSpec>& specs);

  // The simulation has a time of its own; Advance() and the calls of ClassTree move it on.
  MemberId AddMember(const std::string& leaf, const MemberSpec& spec);
  void Want(MemberId member, uint64_t bytes) { Want(member, bytes, now_); }
  void Unpark(MemberId member) { Unpark(member, now_); }
  void Advance(int64_t nanos) { now_ += nanos; }
  PassResult Distribute(const Pass& pass);
  PassResult Distribute(const Pass& pass, const Appetite& appetite);
  uint32_t GrantFirst(MemberId member, uint32_t bytes, const Appetite& appetite);
  uint32_t GrantFloor(MemberId member, uint32_t bytes, const Appetite& appetite);

  absl::Status Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) override;
  void SetShed(Shed shed) override { tree_->SetShed(shed); }
  absl::StatusOr<ClassId> FindLeaf(const std::string& name) const override;
  MemberId AddMember(ClassId leaf, const MemberSpec& spec) override;
  void RemoveMember(MemberId member) override;
  void MoveMember(MemberId member, ClassId leaf, int64_t now_nanos) override;
  void SetMemberWeight(MemberId member, double weight) override;
  void Want(MemberId member, uint64_t bytes, int64_t now_nanos) override;
  void Unpark(MemberId member, int64_t now_nanos) override;
  PassResult Distribute(int64_t now_nanos, const Pass& pass, Offer offer) override;
  uint32_t GrantFirst(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) override;
  uint32_t GrantFloor(MemberId member, uint32_t bytes, int64_t now_nanos, Offer offer) override;
  absl::optional<int64_t> NextEventNanos() const override { return tree_->NextEventNanos(); }
  std::vector<ClassStats> Stats(int64_t now_nanos) const override {
    return tree_->Stats(now_nanos);
  }
  uint64_t MemberDelivered(MemberId member) const override;
  uint64_t MemberWant(MemberId member) const override { return tree_->MemberWant(member); }
  int64_t MemberNanoTokens(MemberId member, int64_t now_nanos) const override {
    return tree_->MemberNanoTokens(member, now_nanos);
  }

  int64_t now() const { return now_; }
  bool parked(MemberId member) const { return members_.at(member).parked; }
  uint64_t delivered(const std::string& class_name) const {
    return classes_.at(class_name).delivered;
  }
  uint64_t delivered(MemberId member) const { return members_.at(member).delivered; }
  uint64_t grants() const { return grants_; }
  uint64_t refusals() const { return refusals_; }  // passes that ended with capacity left
  // The first promise that was broken, or nothing.
  const std::string& violation() const { return violation_; }

 private:
  struct Class {
    std::string parent;
    std::unique_ptr<LeakyBucket> bucket;  // null = no ceiling
    uint64_t delivered = 0;
    uint64_t turn_bytes = 0;  // the most that a member is offered
  };
  struct Member {
    bool live = false;
    std::string leaf;
    std::unique_ptr<LeakyBucket> bucket;
    uint64_t want = 0;
    uint64_t delivered = 0;
    bool parked = false;
    std::vector<Class*> path;  // leaf to root
  };

  void Break(const std::string& what);
  void AdoptClasses();
  void SetLeaf(Member* member, const std::string& leaf);
  uint32_t OfferTo(MemberId id, void* cookie, uint32_t bytes, uint64_t most, Offer offer);
  using OutOfTurnGrant = uint32_t (ClassTree::*)(MemberId, uint32_t, int64_t, Offer);
  uint32_t OutOfTurn(OutOfTurnGrant grant, MemberId member, uint32_t bytes, int64_t now_nanos,
                     Offer offer);
  void Record(MemberId id, uint32_t bytes);
  int64_t NanosUntilEligible() const;
  void CheckEnd(const ClassTree::Pass& pass, const ClassTree::PassResult& result);

  const Options options_;
  std::unique_ptr<ClassTree> tree_;
  std::map<std::string, Class> classes_;
  std::map<ClassId, std::string> leaf_names_;
  std::vector<Member> members_;  // by id
  int64_t now_ = 0;
  uint64_t grants_ = 0;
  uint64_t refusals_ = 0;
  std::string violation_;
};

// The fluid shares, the ideal to which the tree converges. Guarantees come first (in a shortage
// min(demand, level x rate), or prio by prio). Then comes the excess, prio by prio; inside a prio
// it is weighted max-min on the borrowed part. All of this is judged node by node. `demand` is in
// bytes/s by leaf; missing = unbounded.
std::map<std::string, double> FluidShares(double capacity, ClassTree::Shed shed,
                                          const std::vector<ClassTree::ClassSpec>& specs,
                                          const std::map<std::string, double>& demand);

// ENTROPYD_TEST_SCALE shortens (or lengthens) random tests: sanitizer builds run them at 0.05.
double TestScale();

}  // namespace entropyd
