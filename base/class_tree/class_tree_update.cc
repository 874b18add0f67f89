// Makes the classes of a tree, and changes them in an update.
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/class_tree/class_tree_impl.h"

namespace entropyd {
namespace class_tree_internal {

ClassTreeImpl::ClassTreeImpl(const Options& options, const std::vector<ResolvedClass>& classes)
    : options_(options),
      chunk_bytes_(options.chunk_bytes),
      max_turn_bytes_(options.turn_nanos > 0 ? kMaxTurnChunks * options.chunk_bytes
                                             : options.chunk_bytes),
      chunk_tokens_(int64_t{options.chunk_bytes} * TokenBucket::kNanosPerByte),
      by_name_(0, NameHash{&facts_}, NameEq{&facts_}),
      ceil_events_(&ceil_event_places_),
      rate_events_(&rate_event_places_),
      member_events_(&member_event_places_) {
  Apply(classes);
}

absl::Status ClassTreeImpl::Update(absl::Span<const ClassSpec> classes, int64_t now_nanos) {
  auto resolved = ResolveClasses(options_, classes);
  if (!resolved.ok()) return resolved.status();
  if (absl::Status status = CheckMembersStay(*resolved); !status.ok()) return status;
  Advance(now_nanos);
  Apply(*resolved);
  return absl::OkStatus();
}

absl::Status ClassTreeImpl::CheckMembersStay(const std::vector<ResolvedClass>& classes) const {
  absl::flat_hash_map<std::string, bool> is_leaf;
  for (const ResolvedClass& c : classes) is_leaf[c.spec.name] = c.leaf;
  for (ClassId id : order_) {
    if (nodes_[id].members == 0) continue;
    const std::string& name = facts_[id].name;
    const auto found = is_leaf.find(name);
    if (found != is_leaf.end() && found->second) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "class '", name, "': has ", nodes_[id].members, " members and would ",
        found == is_leaf.end() ? "be removed" : "get children", "; move or remove them first"));
  }
  return absl::OkStatus();
}

// All classes leave their queues, the queues are made again, and the classes return. They keep
// their tokens and their turns.
void ClassTreeImpl::Apply(const std::vector<ResolvedClass>& classes) {
  std::vector<Standing> standings(nodes_.size());
  for (ClassId id : order_) standings[id] = Withdraw(id);
  rate_events_.Reset();

  const std::vector<ClassId> ids = AssignIds(classes);
  standings.resize(nodes_.size());
  std::vector<std::vector<ClassId>> children(nodes_.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    const ClassId parent = ids[classes[i].parent];
    Configure(ids[i], parent, classes[i]);
    if (i > 0) children[parent].push_back(ids[i]);
  }
  ceil_events_.Reserve(static_cast<size_t>(
      std::count_if(nodes_.begin(), nodes_.end(), [](const Node& node) { return node.has_ceil; })));
  order_ = ids;
  root_ = ids.front();
  // The root has nobody to borrow from: its rate only bounds what its children are promised.
  nodes_[root_].green_queue = 0;
  nodes_[root_].yellow_queue = 0;
  for (ClassId id : order_) {
    if (!nodes_[id].leaf) MakeQueues(id, children[id]);
  }
  walks_.fill(kNoClass);
  for (ClassId id : order_) Rejoin(id, standings[id]);
  for (size_t i = order_.size(); i-- > 0;) Place(order_[i]);
}

// Takes a class out of its parent's queue and out of the events. Fills its buckets up to now, at
// the old rates.
ClassTreeImpl::Standing ClassTreeImpl::Withdraw(ClassId id) {
  Node& node = nodes_[id];
  Standing standing;
  standing.known = id != root_;
  standing.parent = node.parent;
  if (standing.known) {
    const Queue& green = nodes_[node.parent].queues[node.green_queue];
    const Queue& yellow = nodes_[node.parent].queues[node.yellow_queue];
    standing.in_green = node.queue == node.green_queue;
    standing.in_yellow = node.queue == node.yellow_queue;
    standing.green_ahead =
        node.green.BytesAhead(green.virtual_now, Lead(node.green), standing.in_green);
    standing.yellow_ahead =
        node.yellow.BytesAhead(yellow.virtual_now, Lead(node.yellow), standing.in_yellow);
  }
  node.rate.Fill(now_);
  node.ceil.Fill(now_);
  SetThrottled(id, false);
  SetAwaitsGreen(id, false);
  node.queue = kNoQueue;
  class_places_[id] = IndexedHeap::kAbsent;
  return standing;
}

ClassId ClassTreeImpl::NewId() {
  if (!free_classes_.empty()) {
    const ClassId id = free_classes_.back();
    free_classes_.pop_back();
    return id;
  }
  nodes_.emplace_back();
  facts_.emplace_back();
  for (auto* places : {&class_places_, &ceil_event_places_, &rate_event_places_}) {
    places->push_back(IndexedHeap::kAbsent);
  }
  return static_cast<ClassId>(nodes_.size() - 1);
}

// The ids of `classes`, in their order: a name that stays keeps its own.
std::vector<ClassId> ClassTreeImpl::AssignIds(const std::vector<ResolvedClass>& classes) {
  std::vector<ClassId> ids;
  std::vector<bool> stays(nodes_.size());
  size_t added = 0;
  for (const ResolvedClass& c : classes) {
    const auto found = by_name_.find(absl::string_view(c.spec.name));
    ids.push_back(found == by_name_.end() ? kNoClass : *found);
    if (found == by_name_.end()) {
      ++added;
    } else {
      stays[*found] = true;
    }
  }
  // Removed ids are given out only in a later update: in this one they still name their old class.
  std::vector<ClassId> removed;
  for (ClassId id : order_) {
    if (stays[id]) continue;
    by_name_.erase(id);
    nodes_[id] = Node();
    facts_[id] = ClassFacts();
    removed.push_back(id);
  }
  // Reserves exactly what is needed: trees are large or small, but they seldom double.
  const size_t size = nodes_.size() + added - std::min(added, free_classes_.size());
  nodes_.reserve(size);
  facts_.reserve(size);
  by_name_.reserve(classes.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    if (ids[i] != kNoClass) continue;
    ids[i] = NewId();
    facts_[ids[i]].name = classes[i].spec.name;
    by_name_.insert(ids[i]);
  }
  free_classes_.insert(free_classes_.end(), removed.begin(), removed.end());
  rate_events_.Resize(nodes_.size());
  return ids;
}

// How much a turn of a leaf with this rate gives: whole chunks, at least one.
uint32_t ClassTreeImpl::TurnBytes(uint64_t rate) const {
  const double bytes = static_cast<double>(rate) * static_cast<double>(options_.turn_nanos) / 1e9;
  const double chunks = std::clamp(bytes / chunk_bytes_, 1.0, double{kMaxTurnChunks});
  return static_cast<uint32_t>(chunks) * chunk_bytes_;
}

void ClassTreeImpl::Configure(ClassId id, ClassId parent, const ResolvedClass& resolved) {
  Node& node = nodes_[id];
  const ClassSpec& spec = resolved.spec;
  facts_[id] = {spec.name, spec.weight, spec.prio};
  node.parent = parent;
  const bool capped = spec.ceil != kUnlimited;
  if (capped && node.has_ceil) {
    node.ceil.Change(spec.ceil, spec.cburst);
  } else {
    node.ceil = capped ? TokenBucket(spec.ceil, spec.cburst) : TokenBucket();
  }
  node.has_ceil = capped;
  if (node.rate.rate() > 0) {
    node.rate.Change(spec.rate, spec.burst);
  } else {
    node.rate = TokenBucket(spec.rate, spec.burst);
  }
  if (resolved.leaf && !node.leaf) {
    node.queues.clear();
    node.queues.emplace_back(&member_places_);
  }
  // The members of a leaf stay in their queue. The queues of an inner class are made again.
  if (!resolved.leaf || !node.leaf) node.waiting_queues = 0;
  if (node.leaf != resolved.leaf) node.next = 0;  // it named a member, and names a class now
  node.leaf = resolved.leaf;
  node.turn_bytes = TurnBytes(spec.rate);
}

// Gives `parent` the queues that its children need, and the children their costs in them.
void ClassTreeImpl::MakeQueues(ClassId parent, const std::vector<ClassId>& children) {
  std::vector<uint32_t> prios;
  double least_rate = 0;
  double least_weight = 0;
  for (ClassId id : children) {
    const ClassFacts& facts = facts_[id];
    const double rate = static_cast<double>(nodes_[id].rate.rate());
    prios.push_back(facts.prio);
    if (rate > 0 && (least_rate == 0 || rate < least_rate)) least_rate = rate;
    if (least_weight == 0 || facts.weight < least_weight) least_weight = facts.weight;
  }
  std::sort(prios.begin(), prios.end());
  prios.erase(std::unique(prios.begin(), prios.end()), prios.end());

  // With proportional shedding the guarantees of all prios share one queue.
  const size_t greens = options_.shed == Shed::kPriority ? prios.size() : 1;
  auto& queues = nodes_[parent].queues;
  queues.clear();
  queues.reserve(greens + prios.size());
  for (size_t i = 0; i < greens + prios.size(); ++i) queues.emplace_back(&class_places_);
  std::vector<size_t> sizes(queues.size());
  for (ClassId id : children) {
    Node& child = nodes_[id];
    const ClassFacts& facts = facts_[id];
    const size_t prio = static_cast<size_t>(
        std::lower_bound(prios.begin(), prios.end(), facts.prio) - prios.begin());
    child.green_queue = static_cast<uint8_t>(greens == 1 ? 0 : prio);
    child.yellow_queue = static_cast<uint8_t>(greens + prio);
    ++sizes[child.green_queue];
    ++sizes[child.yellow_queue];
    child.green.cost = 0;
    if (child.rate.rate() > 0) {
      child.green.cost = kMaxCost * least_rate / static_cast<double>(child.rate.rate());
    }
    child.yellow.cost = kMaxCost * least_weight / facts.weight;
  }
  for (size_t i = 0; i < queues.size(); ++i) queues[i].heap.Reserve(sizes[i]);
}

// Puts a class back where it stood, if that place still exists. The caller places it afterwards.
void ClassTreeImpl::Rejoin(ClassId id, const Standing& standing) {
  if (id == root_) return;
  Node& node = nodes_[id];
  Node& parent = nodes_[node.parent];
  const bool same_parent = standing.known && standing.parent == node.parent;
  node.green.tag = same_parent ? node.green.TagAhead(standing.green_ahead, Lead(node.green)) : 0;
  node.yellow.tag =
      same_parent ? node.yellow.TagAhead(standing.yellow_ahead, Lead(node.yellow)) : 0;
  if (!same_parent || (!standing.in_green && !standing.in_yellow)) return;
  node.queue = standing.in_green ? node.green_queue : node.yellow_queue;
  parent.queues[node.queue].heap.Push(
      standing.in_green ? node.green.tag + Service(node.green) : node.yellow.tag, id);
  parent.waiting_queues |= 1u << node.queue;
}

absl::StatusOr<ClassId> ClassTreeImpl::FindLeaf(const std::string& name) const {
  const auto found = by_name_.find(absl::string_view(name));
  if (found == by_name_.end()) {
    return absl::NotFoundError(absl::StrCat("class '", name, "': is not configured"));
  }
  if (!nodes_[*found].leaf) {
    return absl::FailedPreconditionError(
        absl::StrCat("class '", name, "': has children; name one of its leaves"));
  }
  return *found;
}

std::vector<ClassTree::ClassStats> ClassTreeImpl::Stats(int64_t now_nanos) const {
  std::vector<ClassStats> stats(order_.size());
  std::vector<size_t> place(nodes_.size());
  for (size_t i = 0; i < order_.size(); ++i) place[order_[i]] = i;
  for (size_t i = order_.size(); i-- > 0;) {
    const ClassId id = order_[i];
    const Node& node = nodes_[id];
    ClassStats& s = stats[i];
    const ClassFacts& facts = facts_[id];
    s.spec = {.name = facts.name,
              .parent = id == root_ ? "" : facts_[node.parent].name,
              .rate = static_cast<uint64_t>(node.rate.rate()),
              .ceil = node.has_ceil ? static_cast<uint64_t>(node.ceil.rate()) : kUnlimited,
              .burst = node.rate.burst(),
              .cburst = node.ceil.burst(),
              .weight = facts.weight,
              .prio = facts.prio};
    s.leaf = node.leaf;
    s.members += node.members;
    s.waiting_members += node.waiting_members;
    s.waiting_bytes += node.waiting_bytes;
    s.delivered_bytes = node.delivered;
    s.borrowed_bytes = node.borrowed;
    s.throttled_nanos = node.throttled_nanos;
    if (node.throttled) s.throttled_nanos += std::max(now_nanos, now_);
    if (id == root_) continue;
    ClassStats& parent = stats[place[node.parent]];
    parent.members += s.members;
    parent.waiting_members += s.waiting_members;
    parent.waiting_bytes += s.waiting_bytes;
  }
  return stats;
}

}  // namespace class_tree_internal

absl::StatusOr<std::unique_ptr<ClassTree>> ClassTree::Create(const Options& options,
                                                             absl::Span<const ClassSpec> classes) {
  auto resolved = ResolveClasses(options, classes);
  if (!resolved.ok()) return resolved.status();
  std::unique_ptr<ClassTree> tree =
      std::make_unique<class_tree_internal::ClassTreeImpl>(options, *resolved);
  return tree;
}

}  // namespace entropyd
