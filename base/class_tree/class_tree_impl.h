// The parts of a ClassTree (base/class_tree/class_tree.h says what it does). class_tree.cc serves
// members; class_tree_update.cc makes and changes the classes. Only these two include this header.
//
// Every other class of this project has all its functions in one file. These two files share all
// members: an update takes each class out of the same queues, heaps and events by which members are
// served, and puts it back. Two classes would separate nothing, and a grant would go through one of
// them to the other.
//
// Errors: as ClassTree.
//
// Thread safety: as ClassTree.
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

// Virtual time is counted in units. The lightest sibling pays 2^40 units for a byte. So a turn (at
// most 2^20 bytes) costs at most 2^60, far inside the 2^63 within which keys that wrap compare
// correctly. A sibling 2^40 times as heavy still pays one unit for a byte.
constexpr double kMaxCost = static_cast<double>(uint64_t{1} << 40);

// One contender in one fair queue.
struct Flow {
  uint64_t tag = 0;  // virtual time at which its next byte is due
  double cost = 0;   // virtual time per byte

  // What `bytes` cost, in virtual time.
  uint64_t Price(uint32_t bytes) const {
    return static_cast<uint64_t>(static_cast<int64_t>(cost * bytes));
  }
  // Starts to compete at max(own tag, now). `lead` is what one turn costs. A tag further ahead than
  // `lead` is stale: it is behind virtual time, or virtual time has wrapped around since.
  void Enter(uint64_t virtual_now, uint64_t lead) {
    if (tag - virtual_now > lead) tag = virtual_now;
  }
  // How far its tag is ahead of virtual time, in bytes. Only a flow that competes can be behind.
  double BytesAhead(uint64_t virtual_now, uint64_t lead, bool competes) const {
    const uint64_t ahead = tag - virtual_now;
    if (cost == 0 || (!competes && ahead > lead)) return 0;
    return static_cast<double>(static_cast<int64_t>(ahead)) / cost;
  }
  // The tag of a flow that is `bytes` ahead of a virtual time of 0; at most a turn either way.
  uint64_t TagAhead(double bytes, uint64_t lead) const {
    const double limit = static_cast<double>(lead);
    return static_cast<uint64_t>(static_cast<int64_t>(std::clamp(bytes * cost, -limit, limit)));
  }
};

// The flows that compete for one kind of service, in the order in which they get it.
struct Queue {
  explicit Queue(std::vector<uint32_t>* places) : heap(places) {}
  IndexedHeap heap;
  uint64_t virtual_now = 0;
};

// What a grant needs of a class. It lies together, because with a hundred thousand classes every
// cache line that a grant touches is a cache miss. ClassFacts holds the rest.
struct Node {
  // The class that is served next; at a leaf, the member. Meaningless while no member waits.
  uint32_t next = 0;
  uint32_t waiting_queues = 0;  // bit i: queues[i] is not empty

  // Constant between updates.
  ClassId parent = 0;
  uint8_t green_queue = kNoQueue;   // which of the parent's queues it joins with rate tokens
  uint8_t yellow_queue = kNoQueue;  // ... and which without
  bool has_ceil = false;
  bool leaf = false;

  uint8_t queue = kNoQueue;  // where it waits at its parent; for the root: whether it can be served
  bool throttled = false;    // a member below waits, and the class holds no chunk of ceil tokens
  uint32_t turn_bytes = 0;   // for a leaf: the most that a member gets in one turn
  Flow green;
  Flow yellow;
  TokenBucket rate;
  TokenBucket ceil;
  // In the order of service: green queues first, then the yellow ones, prio by prio. A leaf has one
  // queue, with its members.
  absl::InlinedVector<Queue, 1> queues;

  uint64_t delivered = 0;
  uint64_t borrowed = 0;
  uint64_t waiting_bytes = 0;  // a leaf's members'
  uint32_t waiting_members = 0;
  uint32_t members = 0;
  int64_t throttled_nanos = 0;  // while it is throttled, minus the time at which that began
};

// The configuration of a class that no grant needs.
struct ClassFacts {
  std::string name;
  double weight = 0;
  uint32_t prio = 0;
};

// Let a set of class ids be searched by name. The names stay in the facts: a second copy of them
// would be larger than the set.
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

// kFree: the id is unused. kIdle: wants nothing. kQueued: competes in its leaf. kThrottled: waits
// for tokens of its own ceil. kParked: took nothing, and waits for Unpark().
enum class MemberState : uint8_t { kFree, kIdle, kQueued, kThrottled, kParked };

// A member by its id. Freed members form a list through `next_free`.
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
  void SetShed(Shed shed) override { options_.shed = shed; }
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
  // Where a class stood among its siblings. In bytes, because bytes mean the same after their rates
  // have changed.
  struct Standing {
    bool known = false;
    ClassId parent = 0;
    bool in_green = false;  // waited in a green queue
    bool in_yellow = false;
    double green_ahead = 0;  // of virtual time; negative = behind
    double yellow_ahead = 0;
  };

  // class_tree_update.cc. Apply() withdraws every class from its queue, makes the queues again, and
  // lets every class rejoin where it stood.
  //
  // FAILED_PRECONDITION when a class with members would be removed or get children.
  absl::Status CheckMembersStay(const std::vector<ResolvedClass>& classes) const;
  void Apply(const std::vector<ResolvedClass>& classes);
  // Takes a class out of its queue and out of the events. Returns where it stood.
  Standing Withdraw(ClassId id);
  ClassId NewId();
  // A name that stays keeps its id.
  std::vector<ClassId> AssignIds(const std::vector<ResolvedClass>& classes);
  void Configure(ClassId id, ClassId parent, const ResolvedClass& resolved);
  // The queues of `parent`, and what its children pay in them.
  void MakeQueues(ClassId parent, const std::vector<ClassId>& children);
  void Rejoin(ClassId id, const Standing& standing);

  // class_tree.cc. Distribute() repeats: Pick() a member, OfferTo() it, Charge() its path.
  //
  // Keeps the sums of its leaf right, too.
  void SetWant(Member* member, uint64_t bytes);
  void Leave(MemberId id);
  // Time never goes back, whatever callers pass.
  void Advance(int64_t now_nanos) { now_ = std::max(now_, now_nanos); }
  // Places again what holds a chunk of tokens by now.
  void FireEvents();
  bool Servable() const { return nodes_[root_].queue != kNoQueue; }
  MemberId Pick() const;
  bool IsEligible(const Member& member) const;
  // Has had bytes in advance of the members that wait in its leaf.
  bool IsAhead(const Member& member) const;
  uint64_t TurnOf(MemberId id);
  uint32_t OfferTo(MemberId id, uint64_t bytes, Offer offer);
  // Returns the topmost class of the path below the root.
  ClassId Charge(MemberId id, uint32_t bytes);
  void LookAhead(ClassId branch);
  void PlaceMember(MemberId id, MemberState idle_or_parked);
  bool Place(ClassId id);
  // Places a class, and then every ancestor for which that changed something.
  void PlaceUp(ClassId id);
  void SetThrottled(ClassId id, bool throttled);
  void SetAwaitsGreen(ClassId id, bool awaits);
  // How much a turn of a leaf with this rate gives.
  uint32_t TurnBytes(uint64_t rate) const;
  // What the longest turn costs.
  uint64_t Lead(const Flow& flow) const { return flow.Price(max_turn_bytes_); }
  // From the start of a green class's next chunk to its finish.
  uint64_t Service(const Flow& flow) const { return flow.Price(chunk_bytes_); }
  // Sets Node::next from the first queue that is not empty.
  static void ChooseNext(Node* node);

  static constexpr size_t kWalks = 6;  // one for each level; trees are seldom deeper

  Options options_;  // only `shed` changes
  const uint32_t chunk_bytes_;
  const uint32_t max_turn_bytes_;
  const int64_t chunk_tokens_;  // nano-bytes

  // Where each id is in its heap (IndexedHeap).
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
  IndexedHeap ceil_events_;    // throttled classes, by the time at which they hold a chunk again
  TimerWheel rate_events_;     // classes in a yellow queue, by the time at which they become green
  IndexedHeap member_events_;  // throttled members, by the time at which they hold a chunk again
  std::array<ClassId, kWalks> walks_;  // where each walk of LookAhead() is; kNoClass = at its end
  size_t next_walk_ = 0;
  int64_t now_ = 0;
};

}  // namespace entropyd::class_tree_internal
