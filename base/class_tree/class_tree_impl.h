// The parts of a ClassTree; see base/class_tree/class_tree.h for what it does. base/class_tree/class_tree.cc serves, and
// base/class_tree/class_tree_update.cc says which classes there are. Included by these two only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "base/class_tree/class_tree.h"
#include "base/class_tree/class_tree_spec.h"
#include "base/class_tree/indexed_heap.h"
#include "base/class_tree/timer_wheel.h"
#include "base/class_tree/token_bucket.h"

namespace entropyd::class_tree_internal {

using ClassId = ClassTree::ClassId;
using MemberId = ClassTree::MemberId;

constexpr uint8_t kNoQueue = 0xff;
constexpr ClassId kNoClass = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kNoMember = std::numeric_limits<uint32_t>::max();

// Virtual time is counted in units. The lightest of some siblings pays 2^40 units a byte: a turn
// (at most 2^20 bytes) stays below 2^60, far inside the 2^63 within which wrapping keys compare,
// and siblings 2^40 times as heavy still pay a unit a byte.
constexpr double kMaxCost = static_cast<double>(uint64_t{1} << 40);

// One contender in one fair queue.
struct Flow {
  uint64_t tag = 0;  // virtual time at which its next byte is due
  double cost = 0;   // virtual time per byte

  uint64_t Price(uint32_t bytes) const {
    return static_cast<uint64_t>(static_cast<int64_t>(cost * bytes));
  }
  // Starts to compete at max(own tag, now). A tag further ahead than one turn, which costs `lead`,
  // is none of this epoch: it is behind, or virtual time has wrapped around since.
  void Enter(uint64_t virtual_now, uint64_t lead) {
    if (tag - virtual_now > lead) tag = virtual_now;
  }
  // How far its tag is ahead of virtual time, in bytes. Only one that competes can be behind.
  double BytesAhead(uint64_t virtual_now, uint64_t lead, bool competes) const {
    const uint64_t ahead = tag - virtual_now;
    if (cost == 0 || (!competes && ahead > lead)) return 0;
    return static_cast<double>(static_cast<int64_t>(ahead)) / cost;
  }
  // The tag of one that is `bytes` ahead of a virtual time of 0; at most a turn either way.
  uint64_t TagAhead(double bytes, uint64_t lead) const {
    const double limit = static_cast<double>(lead);
    return static_cast<uint64_t>(static_cast<int64_t>(std::clamp(bytes * cost, -limit, limit)));
  }
};

// Contenders for one kind of service, in the order in which they get it.
struct Queue {
  explicit Queue(std::vector<uint32_t>* places) : heap(places) {}
  IndexedHeap heap;
  uint64_t virtual_now = 0;
};

// With a hundred thousand classes every cache line that a grant touches is a miss: what it needs of
// a class lies together, and what only people ask for lies in ClassFacts.
struct Node {
  // The class or, at a leaf, the member that is served next. Meaningless while nobody waits.
  uint32_t next = 0;
  uint32_t waiting_queues = 0;  // bit i: queues[i] is not empty

  // Constant between updates.
  ClassId parent = 0;
  uint8_t green_queue = kNoQueue;   // which of the parent's queues it joins with rate tokens
  uint8_t yellow_queue = kNoQueue;  // ... and which without
  bool has_ceil = false;
  bool leaf = false;

  uint8_t queue = kNoQueue;  // where it waits at its parent; the root: whether it can be served
  bool throttled = false;
  uint32_t turn_bytes = 0;  // a leaf's: what a member is offered at most; constant between updates
  Flow green;
  Flow yellow;
  TokenBucket rate;
  TokenBucket ceil;
  // Green queues first, then the yellow ones prio by prio: the order in which they are served. A
  // leaf has one, of its members.
  absl::InlinedVector<Queue, 1> queues;

  uint64_t delivered = 0;
  uint64_t borrowed = 0;
  uint64_t waiting_bytes = 0;  // a leaf's members'
  uint32_t waiting_members = 0;
  uint32_t members = 0;
  int64_t throttled_nanos = 0;  // less the time at which it began, while it is throttled
};

// What a class was configured as, beyond what its node knows.
struct ClassFacts {
  std::string name;
  double weight = 0;
  uint32_t prio = 0;
};

// Class ids, found by the names in the facts: a second copy of the names would be the larger part.
struct NameHash {
  using is_transparent = void;
  size_t operator()(absl::string_view name) const { return absl::HashOf(name); }
  size_t operator()(ClassId id) const { return absl::HashOf(absl::string_view((*facts)[id].name)); }
  const std::vector<ClassFacts>* facts;
};
struct NameEq {
  using is_transparent = void;
  bool operator()(ClassId a, ClassId b) const { return a == b; }
  bool operator()(ClassId a, absl::string_view b) const { return (*facts)[a].name == b; }
  bool operator()(absl::string_view a, ClassId b) const { return (*facts)[b].name == a; }
  const std::vector<ClassFacts>* facts;
};

enum class MemberState : uint8_t { kFree, kIdle, kQueued, kThrottled, kParked };

struct Member {
  Flow flow;
  TokenBucket ceil;
  uint64_t want = 0;
  uint64_t delivered = 0;
  void* cookie = nullptr;
  ClassId leaf = 0;
  MemberId next_free = kNoMember;
  MemberState state = MemberState::kFree;
  bool has_ceil = false;
};

class ClassTreeImpl final : public ClassTree {
 public:
  ClassTreeImpl(const Options& options, const std::vector<ResolvedClass>& classes);

  absl::Status Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) override;
  absl::StatusOr<ClassId> FindLeaf(const std::string& name) const override;
  MemberId AddMember(ClassId leaf, const MemberSpec& spec) override;
  void RemoveMember(MemberId id) override;
  void MoveMember(MemberId id, ClassId leaf, int64_t now_nanos) override;
  void SetMemberWeight(MemberId id, double weight) override;
  void Want(MemberId id, uint64_t bytes, int64_t now_nanos) override;
  void Unpark(MemberId id, int64_t now_nanos) override;
  PassResult Distribute(int64_t now_nanos, const Pass& pass, Offer offer) override;
  uint32_t GrantFirst(MemberId id, uint32_t bytes, int64_t now_nanos, Offer offer) override;
  uint32_t GrantFloor(MemberId id, uint32_t bytes, int64_t now_nanos, Offer offer) override;
  absl::optional<int64_t> NextEventNanos() const override;
  std::vector<ClassStats> Stats(int64_t now_nanos) const override;
  uint64_t MemberDelivered(MemberId id) const override { return members_[id].delivered; }
  uint64_t MemberWant(MemberId id) const override { return members_[id].want; }
  int64_t MemberNanoTokens(MemberId id, int64_t now_nanos) const override {
    TokenBucket bucket = members_[id].ceil;
    bucket.Fill(now_nanos);
    return bucket.nano_tokens();
  }

 private:
  // Where a class stood among its siblings, in bytes: a unit that outlives a change of their rates.
  struct Standing {
    bool known = false;
    ClassId parent = 0;
    bool in_green = false;  // waited in a green queue
    bool in_yellow = false;
    double green_ahead = 0;  // of virtual time; negative = behind
    double yellow_ahead = 0;
  };

  // base/class_tree/class_tree_update.cc
  absl::Status CheckMembersStay(const std::vector<ResolvedClass>& classes) const;
  void Apply(const std::vector<ResolvedClass>& classes);
  Standing Withdraw(ClassId id);
  ClassId NewId();
  std::vector<ClassId> AssignIds(const std::vector<ResolvedClass>& classes);
  void Configure(ClassId id, ClassId parent, const ResolvedClass& resolved);
  void MakeQueues(ClassId parent, const std::vector<ClassId>& children);
  void Rejoin(ClassId id, const Standing& standing);

  // base/class_tree/class_tree.cc
  void SetWant(Member* member, uint64_t bytes);
  void Leave(MemberId id);
  void Advance(int64_t now_nanos) { now_ = std::max(now_, now_nanos); }
  void FireEvents();
  bool Servable() const { return nodes_[root_].queue != kNoQueue; }
  MemberId Pick() const;
  bool IsEligible(const Member& member) const;
  bool IsAhead(const Member& member) const;
  uint64_t TurnOf(MemberId id);
  uint32_t OfferTo(MemberId id, uint64_t bytes, Offer offer);
  ClassId Charge(MemberId id, uint32_t bytes);
  void LookAhead(ClassId branch);
  void PlaceMember(MemberId id, MemberState idle_or_parked);
  bool Place(ClassId id);
  void PlaceUp(ClassId id);
  void SetThrottled(ClassId id, bool throttled);
  void SetAwaitsGreen(ClassId id, bool awaits);
  uint32_t TurnBytes(uint64_t rate) const;
  uint64_t Lead(const Flow& flow) const { return flow.Price(max_turn_bytes_); }
  // From the start of a green class's next chunk to its finish.
  uint64_t Service(const Flow& flow) const { return flow.Price(chunk_bytes_); }
  static void ChooseNext(Node* node);

  static constexpr size_t kWalks = 6;  // trees are seldom deeper

  const Options options_;
  const uint32_t chunk_bytes_;
  const uint32_t max_turn_bytes_;
  const int64_t chunk_tokens_;  // nano-bytes

  std::vector<uint32_t> class_places_;
  std::vector<uint32_t> member_places_;
  std::vector<uint32_t> ceil_event_places_;  // by class
  std::vector<uint32_t> rate_event_places_;  // by class
  std::vector<uint32_t> member_event_places_;
  std::vector<Node> nodes_;            // by class id
  std::vector<ClassFacts> facts_;      // by class id
  std::vector<ClassId> order_;         // the live classes, parents before children
  std::vector<ClassId> free_classes_;  // ids of removed classes
  ClassId root_ = 0;
  absl::flat_hash_set<ClassId, NameHash, NameEq> by_name_;
  std::vector<Member> members_;
  MemberId free_member_ = kNoMember;
  uint32_t capped_members_ = 0;
  IndexedHeap ceil_events_;    // throttled classes, by when they hold a chunk again
  TimerWheel rate_events_;     // classes waiting in a yellow queue, by when they become green
  IndexedHeap member_events_;  // throttled members, by when they hold a chunk again
  std::array<ClassId, kWalks> walks_;  // LookAhead()'s, by where they are; kNoClass = at the end
  size_t next_walk_ = 0;
  int64_t now_ = 0;
};

}  // namespace entropyd::class_tree_internal
