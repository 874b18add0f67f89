#include "base/class_tree.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/class_tree_spec.h"
#include "base/indexed_heap.h"
#include "base/token_bucket.h"

namespace entropyd {
namespace {

using ClassId = ClassTree::ClassId;
using MemberId = ClassTree::MemberId;

constexpr uint8_t kNoQueue = 0xff;
constexpr uint32_t kNoMember = std::numeric_limits<uint32_t>::max();

// Virtual time is counted in units. The lightest of some siblings pays 2^40 units a byte: a chunk
// (at most 2^20 bytes) stays below 2^60, far inside the 2^63 within which wrapping keys compare,
// and siblings 2^40 times as heavy still pay a unit a byte.
constexpr double kMaxCost = static_cast<double>(uint64_t{1} << 40);
// Members come and go, so their scale is fixed: weight 1 pays 2^20 units a byte.
constexpr double kMemberCost = static_cast<double>(uint64_t{1} << 20);
constexpr double kMinMemberWeight = kMemberCost / kMaxCost;
constexpr double kMaxMemberWeight = kMemberCost;

// One contender in one fair queue.
struct Flow {
  uint64_t tag = 0;   // virtual time at which its next byte is due
  uint64_t lead = 0;  // virtual time that a whole chunk costs it
  double cost = 0;    // virtual time per byte

  void SetCost(double units_per_byte, uint32_t chunk_bytes) {
    cost = units_per_byte;
    lead = Price(chunk_bytes);
  }
  uint64_t Price(uint32_t bytes) const {
    return static_cast<uint64_t>(static_cast<int64_t>(cost * bytes));
  }
  // Starts to compete at max(own tag, now). A tag further ahead than one chunk is none of this
  // epoch: it is behind, or virtual time has wrapped around since.
  void Enter(uint64_t virtual_now) {
    if (tag - virtual_now > lead) tag = virtual_now;
  }
};

// Contenders for one kind of service, in the order in which they get it.
struct Queue {
  explicit Queue(std::vector<uint32_t>* places) : heap(places) {}
  IndexedHeap heap;
  uint64_t virtual_now = 0;
};

struct Node {
  // Green queues first, then the yellow ones prio by prio: the order in which they are served. A
  // leaf has one, of its members.
  std::vector<Queue> queues;
  uint32_t waiting_queues = 0;  // bit i: queues[i] is not empty

  // Constant after construction.
  ClassId parent = 0;
  uint8_t green_queue = kNoQueue;   // which of the parent's queues it joins with rate tokens
  uint8_t yellow_queue = kNoQueue;  // ... and which without
  bool has_ceil = false;
  bool leaf = false;

  uint8_t queue = kNoQueue;  // where it waits at its parent; the root: whether it can be served
  TokenBucket rate;
  TokenBucket ceil;
  Flow green;
  Flow yellow;

  uint64_t delivered = 0;
  uint64_t borrowed = 0;
  uint64_t waiting_bytes = 0;  // a leaf's members'
  uint32_t waiting_members = 0;
  uint32_t members = 0;
  bool throttled = false;
  int64_t throttled_since = 0;
  int64_t throttled_nanos = 0;
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

  absl::StatusOr<ClassId> FindLeaf(const std::string& name) const override;
  MemberId AddMember(ClassId leaf, const MemberSpec& spec) override;
  void RemoveMember(MemberId id) override;
  void SetMemberWeight(MemberId id, double weight) override;
  void Want(MemberId id, uint64_t bytes, int64_t now_nanos) override;
  void Unpark(MemberId id, int64_t now_nanos) override;
  PassResult Distribute(int64_t now_nanos, const Pass& pass, Offer offer) override;
  absl::optional<int64_t> NextEventNanos() const override;
  std::vector<ClassStats> Stats(int64_t now_nanos) const override;
  uint64_t MemberDelivered(MemberId id) const override { return members_[id].delivered; }
  uint64_t MemberWant(MemberId id) const override { return members_[id].want; }

 private:
  static constexpr ClassId kRoot = 0;

  void MakeQueues(ClassId parent, const std::vector<ClassId>& children);
  void SetWant(Member* member, uint64_t bytes);
  void Advance(int64_t now_nanos) { now_ = std::max(now_, now_nanos); }
  void FireEvents();
  bool Servable() const { return nodes_[kRoot].queue != kNoQueue; }
  MemberId Pick() const;
  void Charge(MemberId id, uint32_t bytes);
  void PlaceMember(MemberId id, MemberState idle_or_parked);
  bool Place(ClassId id);
  void PlaceUp(ClassId id);
  void SetThrottled(ClassId id, bool throttled);
  void SetAwaitsGreen(ClassId id, bool awaits);
  uint32_t EventId(MemberId member) const { return static_cast<uint32_t>(nodes_.size()) + member; }

  const uint32_t chunk_bytes_;
  const int64_t chunk_tokens_;  // nano-bytes
  const Shed shed_;

  std::vector<uint32_t> class_places_;
  std::vector<uint32_t> member_places_;
  std::vector<uint32_t> ceil_event_places_;  // by class, then by member
  std::vector<uint32_t> rate_event_places_;
  std::vector<Node> nodes_;  // parents before children
  std::vector<Member> members_;
  MemberId free_member_ = kNoMember;
  uint32_t capped_members_ = 0;
  IndexedHeap ceil_events_;  // throttled classes and members, by when they hold a chunk again
  IndexedHeap rate_events_;  // classes waiting in a yellow queue, by when they become green
  std::vector<ClassSpec> specs_;  // by class, with the defaults filled in
  absl::flat_hash_map<std::string, ClassId> by_name_;
  int64_t now_ = 0;
};

ClassTreeImpl::ClassTreeImpl(const Options& options, const std::vector<ResolvedClass>& classes)
    : chunk_bytes_(options.chunk_bytes),
      chunk_tokens_(int64_t{options.chunk_bytes} * TokenBucket::kNanosPerByte),
      shed_(options.shed),
      class_places_(classes.size(), IndexedHeap::kAbsent),
      ceil_event_places_(classes.size(), IndexedHeap::kAbsent),
      rate_event_places_(classes.size(), IndexedHeap::kAbsent),
      nodes_(classes.size()),
      ceil_events_(&ceil_event_places_),
      rate_events_(&rate_event_places_) {
  ceil_events_.Reserve(classes.size());
  rate_events_.Reserve(classes.size());
  std::vector<std::vector<ClassId>> children(classes.size());
  for (ClassId id = 0; id < classes.size(); ++id) {
    const ClassSpec& spec = classes[id].spec;
    Node& node = nodes_[id];
    specs_.push_back(spec);
    by_name_[spec.name] = id;
    node.has_ceil = spec.ceil != kUnlimited;
    if (node.has_ceil) node.ceil = TokenBucket(spec.ceil, spec.cburst);
    // The root has nobody to borrow from: its rate only bounds what its children are promised.
    if (id != kRoot && spec.rate > 0) node.rate = TokenBucket(spec.rate, spec.burst);
    if (id != kRoot) children[classes[id].parent].push_back(id);
    node.parent = classes[id].parent;
    node.leaf = classes[id].leaf;
  }
  nodes_[kRoot].yellow_queue = 0;
  for (ClassId id = 0; id < nodes_.size(); ++id) {
    if (nodes_[id].leaf) {
      nodes_[id].queues.emplace_back(&member_places_);
    } else {
      MakeQueues(id, children[id]);
    }
  }
}

// Gives `parent` the queues its children need, and the children their cost in them.
void ClassTreeImpl::MakeQueues(ClassId parent, const std::vector<ClassId>& children) {
  std::vector<uint32_t> prios;
  double least_rate = 0;
  double least_weight = 0;
  for (ClassId id : children) {
    const ClassSpec& spec = specs_[id];
    const double rate = static_cast<double>(spec.rate);
    prios.push_back(spec.prio);
    if (rate > 0 && (least_rate == 0 || rate < least_rate)) least_rate = rate;
    if (least_weight == 0 || spec.weight < least_weight) least_weight = spec.weight;
  }
  std::sort(prios.begin(), prios.end());
  prios.erase(std::unique(prios.begin(), prios.end()), prios.end());

  // By proportional shedding the guarantees of all prios share one queue.
  const size_t greens = shed_ == Shed::kPriority ? prios.size() : 1;
  std::vector<Queue>& queues = nodes_[parent].queues;
  queues.reserve(greens + prios.size());
  for (size_t i = 0; i < greens + prios.size(); ++i) {
    queues.emplace_back(&class_places_);
    queues.back().heap.Reserve(children.size());
  }
  for (ClassId id : children) {
    Node& child = nodes_[id];
    const ClassSpec& spec = specs_[id];
    const size_t prio = std::lower_bound(prios.begin(), prios.end(), spec.prio) - prios.begin();
    child.green_queue = static_cast<uint8_t>(greens == 1 ? 0 : prio);
    child.yellow_queue = static_cast<uint8_t>(greens + prio);
    if (spec.rate > 0) {
      child.green.SetCost(kMaxCost * least_rate / static_cast<double>(spec.rate), chunk_bytes_);
    }
    child.yellow.SetCost(kMaxCost * least_weight / spec.weight, chunk_bytes_);
  }
}

absl::StatusOr<ClassId> ClassTreeImpl::FindLeaf(const std::string& name) const {
  auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    return absl::NotFoundError(absl::StrCat("class '", name, "': is not configured"));
  }
  if (!nodes_[found->second].leaf) {
    return absl::FailedPreconditionError(
        absl::StrCat("class '", name, "': has children; name one of its leaves"));
  }
  return found->second;
}

MemberId ClassTreeImpl::AddMember(ClassId leaf, const MemberSpec& spec) {
  Node& node = nodes_[leaf];
  assert(node.leaf);
  MemberId id = free_member_;
  if (id != kNoMember) {
    free_member_ = members_[id].next_free;
    members_[id] = Member();
  } else {
    id = static_cast<MemberId>(members_.size());
    members_.emplace_back();
    member_places_.push_back(IndexedHeap::kAbsent);
    ceil_event_places_.push_back(IndexedHeap::kAbsent);
  }
  Member& member = members_[id];
  member.state = MemberState::kIdle;
  member.leaf = leaf;
  member.cookie = spec.cookie;
  member.has_ceil = spec.ceil <= TokenBucket::kMaxRate;
  if (member.has_ceil) {
    const uint64_t ceil = std::max<uint64_t>(spec.ceil, 1);
    member.ceil = TokenBucket(ceil, DefaultBurst(ceil, chunk_bytes_));
    ceil_events_.Reserve(nodes_.size() + ++capped_members_);
  }
  const double weight = std::clamp(spec.weight, kMinMemberWeight, kMaxMemberWeight);
  member.flow.SetCost(kMemberCost / weight, chunk_bytes_);
  member.flow.tag = node.queues[0].virtual_now;
  node.queues[0].heap.Reserve(++node.members);
  return id;
}

void ClassTreeImpl::RemoveMember(MemberId id) {
  Member& member = members_[id];
  assert(member.state != MemberState::kFree);
  SetWant(&member, 0);
  PlaceMember(id, MemberState::kIdle);
  PlaceUp(member.leaf);
  --nodes_[member.leaf].members;
  if (member.has_ceil) --capped_members_;
  member.state = MemberState::kFree;
  member.next_free = free_member_;
  free_member_ = id;
}

void ClassTreeImpl::SetMemberWeight(MemberId id, double weight) {
  Member& member = members_[id];
  Queue& queue = nodes_[member.leaf].queues[0];
  Flow& flow = member.flow;
  const double cost = kMemberCost / std::clamp(weight, kMinMemberWeight, kMaxMemberWeight);
  // What it has had in advance is still counted, at the new price.
  const uint64_t ahead = flow.tag - queue.virtual_now;
  const double rescaled = ahead <= flow.lead ? static_cast<double>(ahead) * cost / flow.cost : 0;
  flow.SetCost(cost, chunk_bytes_);
  flow.tag = queue.virtual_now + std::min(static_cast<uint64_t>(rescaled), flow.lead);
  if (member.state == MemberState::kQueued) queue.heap.Rekey(id, flow.tag);
}

void ClassTreeImpl::SetWant(Member* member, uint64_t bytes) {
  Node& leaf = nodes_[member->leaf];
  leaf.waiting_bytes += bytes - member->want;
  leaf.waiting_members += (bytes > 0) - (member->want > 0);
  member->want = bytes;
}

void ClassTreeImpl::Want(MemberId id, uint64_t bytes, int64_t now_nanos) {
  Member& member = members_[id];
  Advance(now_nanos);
  const bool waited = member.want > 0;
  SetWant(&member, bytes);
  if (waited == (bytes > 0) || member.state == MemberState::kParked) return;
  PlaceMember(id, MemberState::kIdle);
  PlaceUp(member.leaf);
}

void ClassTreeImpl::Unpark(MemberId id, int64_t now_nanos) {
  Member& member = members_[id];
  if (member.state != MemberState::kParked) return;
  Advance(now_nanos);
  PlaceMember(id, MemberState::kIdle);
  PlaceUp(member.leaf);
}

ClassTree::PassResult ClassTreeImpl::Distribute(int64_t now_nanos, const Pass& pass, Offer offer) {
  Advance(now_nanos);
  FireEvents();
  PassResult result;
  while (Servable()) {
    const uint64_t left = pass.capacity_bytes - result.bytes;
    if (left == 0 || result.grants >= pass.max_grants) {
      result.more = true;
      break;
    }
    const MemberId id = Pick();
    const Member& member = members_[id];
    const uint32_t asked =
        static_cast<uint32_t>(std::min({uint64_t{chunk_bytes_}, member.want, left}));
    const uint32_t taken = std::min(asked, offer(id, member.cookie, asked));
    if (taken == 0) {
      PlaceMember(id, MemberState::kParked);
      PlaceUp(member.leaf);
      continue;
    }
    Charge(id, taken);
    result.bytes += taken;
    ++result.grants;
  }
  return result;
}

// From the top down, so that a class is served only where all its ancestors may be.
MemberId ClassTreeImpl::Pick() const {
  const Node* node = &nodes_[kRoot];
  while (true) {
    const Queue& queue = node->queues[std::countr_zero(node->waiting_queues)];
    if (node->leaf) return queue.heap.top_id();
    node = &nodes_[queue.heap.top_id()];
  }
}

// Charges the ceilings of the whole path, and the rates where the pick was green.
void ClassTreeImpl::Charge(MemberId member_id, uint32_t bytes) {
  Member& member = members_[member_id];
  nodes_[member.leaf].queues[0].virtual_now = member.flow.tag;
  member.flow.tag += member.flow.Price(bytes);
  member.delivered += bytes;
  SetWant(&member, member.want - bytes);
  if (member.has_ceil) {
    member.ceil.Fill(now_);
    member.ceil.Take(bytes);
  }
  PlaceMember(member_id, MemberState::kIdle);

  for (ClassId id = member.leaf;; id = nodes_[id].parent) {
    Node& node = nodes_[id];
    node.delivered += bytes;
    if (node.has_ceil) {
      node.ceil.Fill(now_);
      node.ceil.Take(bytes);
    }
    if (id == kRoot) break;
    Queue& queue = nodes_[node.parent].queues[node.queue];
    if (node.queue == node.green_queue) {
      node.rate.Fill(now_);
      node.rate.Take(bytes);
      node.green.tag += node.green.Price(bytes);
      // Finish tags: virtual time is that of the latest finish (SCFQ).
      if (static_cast<int64_t>(node.green.tag - queue.virtual_now) > 0) {
        queue.virtual_now = node.green.tag;
      }
    } else {
      node.borrowed += bytes;
      queue.virtual_now = node.yellow.tag;  // start tags: that of the start in service (SFQ)
      node.yellow.tag += node.yellow.Price(bytes);
    }
    Place(id);
  }
  Place(kRoot);
}

// Puts a member where its want and its tokens say; `idle_or_parked` is its state when it is in no
// heap for other reasons than tokens. The caller places its leaf afterwards.
void ClassTreeImpl::PlaceMember(MemberId id, MemberState idle_or_parked) {
  Member& member = members_[id];
  Node& leaf = nodes_[member.leaf];
  Queue& queue = leaf.queues[0];
  MemberState state = idle_or_parked;
  if (member.want > 0 && state != MemberState::kParked) {
    if (member.has_ceil) member.ceil.Fill(now_);
    const bool allowed = !member.has_ceil || member.ceil.Holds(chunk_tokens_);
    state = allowed ? MemberState::kQueued : MemberState::kThrottled;
  }
  if (state == member.state) {
    if (state == MemberState::kQueued) queue.heap.Rekey(id, member.flow.tag);
    return;
  }
  if (member.state == MemberState::kQueued) queue.heap.Remove(id);
  if (member.state == MemberState::kThrottled) ceil_events_.Remove(EventId(id));
  member.state = state;
  if (state == MemberState::kQueued) {
    member.flow.Enter(queue.virtual_now);
    queue.heap.Push(member.flow.tag, id);
  } else if (state == MemberState::kThrottled) {
    ceil_events_.Push(static_cast<uint64_t>(now_ + member.ceil.NanosUntil(chunk_tokens_)),
                      EventId(id));
  }
  leaf.waiting_queues = queue.heap.empty() ? 0 : 1;
}

// Puts a class where its demand and its tokens say. Returns whether its parent went from having
// somebody to serve to having nobody, or back.
bool ClassTreeImpl::Place(ClassId id) {
  Node& node = nodes_[id];
  uint8_t target = kNoQueue;
  if (node.waiting_queues != 0) {
    if (node.has_ceil) node.ceil.Fill(now_);
    if (!node.has_ceil || node.ceil.Holds(chunk_tokens_)) {
      node.rate.Fill(now_);
      target = node.rate.Holds(chunk_tokens_) ? node.green_queue : node.yellow_queue;
    }
  }
  SetThrottled(id, node.waiting_queues != 0 && target == kNoQueue);
  if (id == kRoot) {
    node.queue = target;
    return false;
  }
  SetAwaitsGreen(id, target == node.yellow_queue);
  if (target == kNoQueue && node.queue == kNoQueue) return false;

  Node& parent = nodes_[node.parent];
  const bool had = parent.waiting_queues != 0;
  Flow& flow = target == node.green_queue ? node.green : node.yellow;
  const uint64_t finish = target == node.green_queue ? flow.lead : 0;
  if (target == node.queue) {
    parent.queues[target].heap.Rekey(id, flow.tag + finish);
    return false;
  }
  if (node.queue != kNoQueue) {
    IndexedHeap& heap = parent.queues[node.queue].heap;
    heap.Remove(id);
    if (heap.empty()) parent.waiting_queues &= ~(1u << node.queue);
  }
  node.queue = target;
  if (target != kNoQueue) {
    Queue& queue = parent.queues[target];
    flow.Enter(queue.virtual_now);
    queue.heap.Push(flow.tag + finish, id);
    parent.waiting_queues |= 1u << target;
  }
  return had != (parent.waiting_queues != 0);
}

void ClassTreeImpl::PlaceUp(ClassId id) {
  while (Place(id)) id = nodes_[id].parent;
}

// Somebody below waits, and the class has no chunk of ceil tokens.
void ClassTreeImpl::SetThrottled(ClassId id, bool throttled) {
  Node& node = nodes_[id];
  if (node.throttled == throttled) return;
  node.throttled = throttled;
  if (throttled) {
    node.throttled_since = now_;
    ceil_events_.Push(static_cast<uint64_t>(now_ + node.ceil.NanosUntil(chunk_tokens_)), id);
  } else {
    node.throttled_nanos += now_ - node.throttled_since;
    ceil_events_.Remove(id);
  }
}

// Waits in a yellow queue and will hold a chunk of rate tokens in time.
void ClassTreeImpl::SetAwaitsGreen(ClassId id, bool awaits) {
  const TokenBucket& rate = nodes_[id].rate;
  const bool awaited = rate_event_places_[id] != IndexedHeap::kAbsent;
  if (rate.rate() == 0 || awaits == awaited) return;
  if (awaits) {
    rate_events_.Push(static_cast<uint64_t>(now_ + rate.NanosUntil(chunk_tokens_)), id);
  } else {
    rate_events_.Remove(id);
  }
}

void ClassTreeImpl::FireEvents() {
  const uint64_t now = static_cast<uint64_t>(now_);
  while (!ceil_events_.empty() && ceil_events_.top_key() <= now) {
    const uint32_t id = ceil_events_.top_id();
    if (id < nodes_.size()) {
      PlaceUp(id);
    } else {
      const MemberId member = id - static_cast<uint32_t>(nodes_.size());
      PlaceMember(member, MemberState::kIdle);
      PlaceUp(members_[member].leaf);
    }
  }
  while (!rate_events_.empty() && rate_events_.top_key() <= now) PlaceUp(rate_events_.top_id());
}

absl::optional<int64_t> ClassTreeImpl::NextEventNanos() const {
  if (ceil_events_.empty()) return absl::nullopt;
  return static_cast<int64_t>(ceil_events_.top_key());
}

std::vector<ClassTree::ClassStats> ClassTreeImpl::Stats(int64_t now_nanos) const {
  std::vector<ClassStats> stats(nodes_.size());
  for (ClassId id = static_cast<ClassId>(nodes_.size()); id-- > 0;) {
    const Node& node = nodes_[id];
    ClassStats& s = stats[id];
    s.spec = specs_[id];
    s.leaf = node.leaf;
    s.members += node.members;
    s.waiting_members += node.waiting_members;
    s.waiting_bytes += node.waiting_bytes;
    s.delivered_bytes = node.delivered;
    s.borrowed_bytes = node.borrowed;
    s.throttled_nanos = node.throttled_nanos;
    if (node.throttled) s.throttled_nanos += std::max(now_nanos, now_) - node.throttled_since;
    if (id == kRoot) continue;
    ClassStats& parent = stats[node.parent];
    parent.members += s.members;
    parent.waiting_members += s.waiting_members;
    parent.waiting_bytes += s.waiting_bytes;
  }
  return stats;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClassTree>> ClassTree::Create(const Options& options,
                                                             absl::Span<const ClassSpec> classes) {
  auto resolved = ResolveClasses(options, classes);
  if (!resolved.ok()) return resolved.status();
  std::unique_ptr<ClassTree> tree =
      std::make_unique<ClassTreeImpl>(options, *resolved);
  return tree;
}

}  // namespace entropyd
