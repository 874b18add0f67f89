#include "base/class_tree/class_tree.h"

#include <bit>
#include <cassert>

#include "base/class_tree/class_tree_impl.h"

namespace entropyd::class_tree_internal {
namespace {

// Members come and go, so their scale is fixed: weight 1 pays 2^20 units for a byte.
constexpr double kMemberCost = static_cast<double>(uint64_t{1} << 20);
constexpr double kMinMemberWeight = kMemberCost / kMaxCost;
constexpr double kMaxMemberWeight = kMemberCost;

void Prefetch(const void* start, size_t bytes) {
  constexpr size_t kLine = 64;
  for (size_t at = 0; at < bytes; at += kLine) {
    __builtin_prefetch(static_cast<const char*>(start) + at, /*for writing*/ 1);
  }
}

}  // namespace

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
    member_event_places_.push_back(IndexedHeap::kAbsent);
  }
  Member& member = members_[id];
  member.state = MemberState::kIdle;
  member.leaf = leaf;
  member.cookie = spec.cookie;
  member.has_ceil = spec.ceil <= TokenBucket::kMaxRate;
  if (member.has_ceil) {
    const uint64_t ceil = std::max<uint64_t>(spec.ceil, 1);
    member.ceil = TokenBucket(ceil, DefaultBurst(ceil, chunk_bytes_));
    if (spec.nano_tokens.has_value()) member.ceil.Restore(*spec.nano_tokens, spec.tokens_at_nanos);
    member_events_.Reserve(++capped_members_);
  }
  const double weight = std::clamp(spec.weight, kMinMemberWeight, kMaxMemberWeight);
  member.flow.cost = kMemberCost / weight;
  member.flow.tag = node.queues[0].virtual_now;
  node.queues[0].heap.Reserve(++node.members);
  return id;
}

void ClassTreeImpl::RemoveMember(MemberId id) {
  Member& member = members_[id];
  Leave(id);
  if (member.has_ceil) --capped_members_;
  member.state = MemberState::kFree;
  member.next_free = free_member_;
  free_member_ = id;
}

void ClassTreeImpl::MoveMember(MemberId id, ClassId leaf, int64_t now_nanos) {
  Member& member = members_[id];
  Node& node = nodes_[leaf];
  assert(node.leaf);
  if (member.leaf == leaf) return;
  Advance(now_nanos);
  const uint64_t want = member.want;
  const bool parked = member.state == MemberState::kParked;
  const uint64_t ahead = member.flow.tag - nodes_[member.leaf].queues[0].virtual_now;
  Leave(id);
  member.leaf = leaf;
  // It still owes what it has had in advance. Members of all leaves pay the same for a byte.
  member.flow.tag = node.queues[0].virtual_now + (ahead <= Lead(member.flow) ? ahead : 0);
  node.queues[0].heap.Reserve(++node.members);
  SetWant(&member, want);
  PlaceMember(id, parked ? MemberState::kParked : MemberState::kIdle);
  PlaceUp(leaf);
}

// Afterwards the member wants nothing and is in no heap, and its leaf no longer counts it.
void ClassTreeImpl::Leave(MemberId id) {
  Member& member = members_[id];
  assert(member.state != MemberState::kFree);
  SetWant(&member, 0);
  PlaceMember(id, MemberState::kIdle);
  PlaceUp(member.leaf);
  --nodes_[member.leaf].members;
}

void ClassTreeImpl::SetMemberWeight(MemberId id, double weight) {
  Member& member = members_[id];
  Queue& queue = nodes_[member.leaf].queues[0];
  Flow& flow = member.flow;
  const double cost = kMemberCost / std::clamp(weight, kMinMemberWeight, kMaxMemberWeight);
  // It still owes what it has had in advance, at the new price.
  const uint64_t ahead = flow.tag - queue.virtual_now;
  const double rescaled = ahead <= Lead(flow) ? static_cast<double>(ahead) * cost / flow.cost : 0;
  flow.cost = cost;
  flow.tag = queue.virtual_now + std::min(static_cast<uint64_t>(rescaled), Lead(flow));
  if (member.state != MemberState::kQueued) return;
  queue.heap.Rekey(id, flow.tag);
  ChooseNext(&nodes_[member.leaf]);
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
    const MemberId next = Pick();
    const uint32_t taken = OfferTo(next, std::min(left, TurnOf(next)), offer);
    result.bytes += taken;
    result.grants += taken > 0;
  }
  return result;
}

// The most that the member may get in this turn: a chunk, or more if its leaf has a longer turn and
// every bucket on its path that must pay holds that much.
// REQUIRES: it and all classes above it may be served.
uint64_t ClassTreeImpl::TurnOf(MemberId id) {
  Member& member = members_[id];
  const uint32_t turn = nodes_[member.leaf].turn_bytes;
  if (turn == chunk_bytes_ || member.want <= chunk_bytes_) return chunk_bytes_;
  int64_t tokens = int64_t{turn} * TokenBucket::kNanosPerByte;
  const auto heed = [this, &tokens](TokenBucket* bucket) {
    bucket->Fill(now_);
    tokens = std::min(tokens, bucket->nano_tokens());
  };
  if (member.has_ceil) heed(&member.ceil);
  for (ClassId at = member.leaf;; at = nodes_[at].parent) {
    Node& node = nodes_[at];
    if (node.has_ceil) heed(&node.ceil);
    if (at == root_) break;
    if (node.queue == node.green_queue) heed(&node.rate);
  }
  return static_cast<uint64_t>(tokens / TokenBucket::kNanosPerByte);
}

// Charges what the member takes. Parks it when it takes nothing.
// REQUIRES: it and all classes above it may be served.
uint32_t ClassTreeImpl::OfferTo(MemberId id, uint64_t bytes, Offer offer) {
  const Member& member = members_[id];
  const uint32_t asked = static_cast<uint32_t>(std::min(member.want, bytes));
  const uint32_t taken = std::min(asked, offer(id, member.cookie, asked));
  if (taken == 0) {
    PlaceMember(id, MemberState::kParked);
    PlaceUp(member.leaf);
  } else {
    LookAhead(Charge(id, taken));
  }
  return taken;
}

uint32_t ClassTreeImpl::GrantFirst(MemberId id, uint32_t bytes, int64_t now_nanos, Offer offer) {
  Advance(now_nanos);
  FireEvents();
  const Member& member = members_[id];
  if (bytes == 0 || !IsEligible(member) || IsAhead(member)) return 0;
  return OfferTo(id, std::min(bytes, chunk_bytes_), offer);
}

uint32_t ClassTreeImpl::GrantFloor(MemberId id, uint32_t bytes, int64_t now_nanos, Offer offer) {
  Advance(now_nanos);
  FireEvents();
  if (bytes == 0 || !IsEligible(members_[id])) return 0;
  return OfferTo(id, std::min(bytes, chunk_bytes_), offer);
}

bool ClassTreeImpl::IsAhead(const Member& member) const {
  const uint64_t virtual_now = nodes_[member.leaf].queues[0].virtual_now;
  return static_cast<int64_t>(member.flow.tag - virtual_now) > 0;
}

// Whether the member and every class above it hold a chunk of ceil tokens.
bool ClassTreeImpl::IsEligible(const Member& member) const {
  if (member.state != MemberState::kQueued) return false;
  ClassId id = member.leaf;
  while (id != root_ && nodes_[id].queue != kNoQueue) id = nodes_[id].parent;
  return nodes_[id].queue != kNoQueue;
}

// Walks from the root down, so that a class is served only when all its ancestors may be.
MemberId ClassTreeImpl::Pick() const {
  const Node* node = &nodes_[root_];
  while (!node->leaf) node = &nodes_[node->next];
  return node->next;
}

// Every grant walks down another branch. Its cache lines are in no cache, and each line names the
// next. Where a branch will lead next time is known as soon as it has been served. So LookAhead
// walks that way in advance, one step a grant, and the lines are in the cache when they are needed.
void ClassTreeImpl::LookAhead(ClassId branch) {
  walks_[next_walk_++ % kWalks] = branch;
  for (ClassId& id : walks_) {
    if (id == kNoClass) continue;
    const Node& node = nodes_[id];
    if (node.leaf) {
      id = kNoClass;
      if (node.next < members_.size()) Prefetch(&members_[node.next], sizeof(Member));
    } else {
      id = node.next;
      Prefetch(&nodes_[id], sizeof(Node));
      Prefetch(&class_places_[id], sizeof(uint32_t));
    }
  }
}

void ClassTreeImpl::ChooseNext(Node* node) {
  if (node->waiting_queues == 0) return;
  node->next = node->queues[std::countr_zero(node->waiting_queues)].heap.top_id();
}

// Charges the ceilings of the whole path, and the rates where the pick was green. Returns the
// topmost class of the path below the root.
ClassId ClassTreeImpl::Charge(MemberId member_id, uint32_t bytes) {
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

  ClassId branch = root_;
  for (ClassId id = member.leaf;; id = nodes_[id].parent) {
    Node& node = nodes_[id];
    node.delivered += bytes;
    if (node.has_ceil) {
      node.ceil.Fill(now_);
      node.ceil.Take(bytes);
    }
    if (id == root_) break;
    Queue& queue = nodes_[node.parent].queues[node.queue];
    if (node.queue == node.green_queue) {
      node.rate.Fill(now_);
      node.rate.Take(bytes);
      node.green.tag += node.green.Price(bytes);
      // Finish tags: virtual time is the latest finish (SCFQ).
      if (static_cast<int64_t>(node.green.tag - queue.virtual_now) > 0) {
        queue.virtual_now = node.green.tag;
      }
    } else {
      node.borrowed += bytes;
      // Start tags: virtual time is the start in service (SFQ).
      queue.virtual_now = node.yellow.tag;
      node.yellow.tag += node.yellow.Price(bytes);
    }
    Place(id);
    branch = id;
  }
  Place(root_);
  return branch;
}

// Puts a member where it belongs by its want and its tokens. `idle_or_parked` is its state when it
// is in no heap. The caller places its leaf afterwards.
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
    if (state == MemberState::kQueued) {
      queue.heap.Rekey(id, member.flow.tag);
      ChooseNext(&leaf);
    }
    return;
  }
  if (member.state == MemberState::kQueued) queue.heap.Remove(id);
  if (member.state == MemberState::kThrottled) member_events_.Remove(id);
  member.state = state;
  if (state == MemberState::kQueued) {
    member.flow.Enter(queue.virtual_now, Lead(member.flow));
    queue.heap.Push(member.flow.tag, id);
  } else if (state == MemberState::kThrottled) {
    member_events_.Push(static_cast<uint64_t>(now_ + member.ceil.NanosUntil(chunk_tokens_)), id);
  }
  leaf.waiting_queues = queue.heap.empty() ? 0 : 1;
  ChooseNext(&leaf);
}

// Puts a class where it belongs by its demand and its tokens. Returns whether that gave its parent
// the first child to serve, or took the last one away.
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
  if (id == root_) {
    node.queue = target;
    return false;
  }
  SetAwaitsGreen(id, target == node.yellow_queue);
  if (target == kNoQueue && node.queue == kNoQueue) return false;

  Node& parent = nodes_[node.parent];
  const bool had = parent.waiting_queues != 0;
  Flow& flow = target == node.green_queue ? node.green : node.yellow;
  const uint64_t finish = target == node.green_queue ? Service(flow) : 0;
  if (target == node.queue) {
    parent.queues[target].heap.Rekey(id, flow.tag + finish);
    ChooseNext(&parent);
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
    flow.Enter(queue.virtual_now, Lead(flow));
    queue.heap.Push(flow.tag + finish, id);
    parent.waiting_queues |= 1u << target;
  }
  ChooseNext(&parent);
  return had != (parent.waiting_queues != 0);
}

void ClassTreeImpl::PlaceUp(ClassId id) {
  while (Place(id)) id = nodes_[id].parent;
}

// Throttled: a member below waits, and the class holds no chunk of ceil tokens.
void ClassTreeImpl::SetThrottled(ClassId id, bool throttled) {
  Node& node = nodes_[id];
  if (node.throttled == throttled) return;
  node.throttled = throttled;
  if (throttled) {
    node.throttled_nanos -= now_;
    ceil_events_.Push(static_cast<uint64_t>(now_ + node.ceil.NanosUntil(chunk_tokens_)), id);
  } else {
    node.throttled_nanos += now_;
    ceil_events_.Remove(id);
  }
}

// Awaits green: the class is in a yellow queue and will hold a chunk of rate tokens later.
void ClassTreeImpl::SetAwaitsGreen(ClassId id, bool awaits) {
  const TokenBucket& rate = nodes_[id].rate;
  if (rate.rate() == 0 || awaits == rate_events_.set(id)) return;
  if (awaits) {
    // Only a class that holds a chunk pays from this bucket, so the time never becomes earlier.
    rate_events_.Set(id, rate.TimeOf(chunk_tokens_));
  } else {
    rate_events_.Clear(id);
  }
}

void ClassTreeImpl::FireEvents() {
  const uint64_t now = static_cast<uint64_t>(now_);
  while (!ceil_events_.empty() && ceil_events_.top_key() <= now) PlaceUp(ceil_events_.top_id());
  while (!member_events_.empty() && member_events_.top_key() <= now) {
    const MemberId member = member_events_.top_id();
    PlaceMember(member, MemberState::kIdle);
    PlaceUp(members_[member].leaf);
  }
  rate_events_.Advance(now_, [this](ClassId id) { return nodes_[id].rate.TimeOf(chunk_tokens_); });
  while (!rate_events_.empty() && rate_events_.top_key() <= now) PlaceUp(rate_events_.top_id());
}

absl::optional<int64_t> ClassTreeImpl::NextEventNanos() const {
  absl::optional<int64_t> next;
  for (const IndexedHeap* events : {&ceil_events_, &member_events_}) {
    if (events->empty()) continue;
    const int64_t event = static_cast<int64_t>(events->top_key());
    if (!next.has_value() || event < *next) next = event;
  }
  return next;
}

}  // namespace entropyd::class_tree_internal
