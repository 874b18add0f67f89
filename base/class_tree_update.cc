// Which classes there are: at first, and after each update.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/class_tree_impl.h"

namespace entropyd {
namespace class_tree_internal {

ClassTreeImpl::ClassTreeImpl(const Options& options, const std::vector<ResolvedClass>& classes)
    : options_(options),
      chunk_bytes_(options.chunk_bytes),
      chunk_tokens_(int64_t{options.chunk_bytes} * TokenBucket::kNanosPerByte),
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
    const std::string& name = specs_[id].name;
    const auto found = is_leaf.find(name);
    if (found != is_leaf.end() && found->second) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "class '", name, "': has ", nodes_[id].members, " members and would ",
        found == is_leaf.end() ? "be removed" : "get children", "; move or remove them first"));
  }
  return absl::OkStatus();
}

// Everybody leaves the queues, the queues are made anew, and everybody returns with what it had of
// tokens and of its turn.
void ClassTreeImpl::Apply(const std::vector<ResolvedClass>& classes) {
  std::vector<Standing> standings(nodes_.size());
  for (ClassId id : order_) standings[id] = Withdraw(id);

  const std::vector<ClassId> ids = AssignIds(classes);
  standings.resize(nodes_.size());
  std::vector<std::vector<ClassId>> children(nodes_.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    const ClassId parent = ids[classes[i].parent];
    Configure(ids[i], parent, classes[i]);
    if (i > 0) children[parent].push_back(ids[i]);
  }
  order_ = ids;
  root_ = ids.front();
  nodes_[root_].green_queue = kNoQueue;
  nodes_[root_].yellow_queue = 0;
  for (ClassId id : order_) {
    if (!nodes_[id].leaf) MakeQueues(id, children[id]);
  }
  for (ClassId id : order_) Rejoin(id, standings[id]);
  for (size_t i = order_.size(); i-- > 0;) Place(order_[i]);
}

// Takes a class out of its parent's queue and of the events. Its buckets are filled up to now, at
// the rates that have been in force.
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
    standing.green_ahead = node.green.BytesAhead(green.virtual_now, standing.in_green);
    standing.yellow_ahead = node.yellow.BytesAhead(yellow.virtual_now, standing.in_yellow);
  }
  node.rate.Fill(now_);
  node.ceil.Fill(now_);
  SetThrottled(id, false);
  SetAwaitsGreen(id, false);
  node.queue = kNoQueue;
  class_places_[id] = IndexedHeap::kAbsent;
  return standing;
}

// The ids of `classes`, in their order: a name that stays keeps its own.
std::vector<ClassId> ClassTreeImpl::AssignIds(const std::vector<ResolvedClass>& classes) {
  absl::flat_hash_map<std::string, ClassId> before;
  before.swap(by_name_);
  std::vector<ClassId> ids;
  for (const ResolvedClass& c : classes) {
    ClassId id = 0;
    if (const auto found = before.find(c.spec.name); found != before.end()) {
      id = found->second;
      before.erase(found);
    } else if (!free_classes_.empty()) {
      id = free_classes_.back();
      free_classes_.pop_back();
    } else {
      id = static_cast<ClassId>(nodes_.size());
      nodes_.emplace_back();
      specs_.emplace_back();
      for (auto* places : {&class_places_, &ceil_event_places_, &rate_event_places_}) {
        places->push_back(IndexedHeap::kAbsent);
      }
    }
    by_name_[c.spec.name] = id;
    ids.push_back(id);
  }
  // Given out in a later update only: in this one an id still stands for who had it.
  for (const auto& [name, id] : before) {
    nodes_[id] = Node();
    specs_[id] = ClassSpec();
    free_classes_.push_back(id);
  }
  ceil_events_.Reserve(nodes_.size());
  rate_events_.Reserve(nodes_.size());
  return ids;
}

void ClassTreeImpl::Configure(ClassId id, ClassId parent, const ResolvedClass& resolved) {
  Node& node = nodes_[id];
  const ClassSpec& spec = resolved.spec;
  specs_[id] = spec;
  node.parent = parent;
  const bool capped = spec.ceil != kUnlimited;
  if (capped && node.has_ceil) {
    node.ceil.Change(spec.ceil, spec.cburst);
  } else {
    node.ceil = capped ? TokenBucket(spec.ceil, spec.cburst) : TokenBucket();
  }
  node.has_ceil = capped;
  // The root has nobody to borrow from: its rate only bounds what its children are promised.
  const bool guaranteed = id != parent && spec.rate > 0;
  if (guaranteed && node.rate.rate() > 0) {
    node.rate.Change(spec.rate, spec.burst);
  } else {
    node.rate = guaranteed ? TokenBucket(spec.rate, spec.burst) : TokenBucket();
  }
  if (resolved.leaf && !node.leaf) {
    node.queues.clear();
    node.queues.emplace_back(&member_places_);
  }
  // A leaf's members stay in their queue; those of an inner class are made anew.
  if (!resolved.leaf || !node.leaf) node.waiting_queues = 0;
  node.leaf = resolved.leaf;
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
  const size_t greens = options_.shed == Shed::kPriority ? prios.size() : 1;
  std::vector<Queue>& queues = nodes_[parent].queues;
  queues.clear();
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

// Returns to where it stood, as far as there is such a place. The caller places it afterwards.
void ClassTreeImpl::Rejoin(ClassId id, const Standing& standing) {
  if (id == root_) return;
  Node& node = nodes_[id];
  Node& parent = nodes_[node.parent];
  const bool same_parent = standing.known && standing.parent == node.parent;
  node.green.tag = same_parent ? node.green.TagAhead(standing.green_ahead) : 0;
  node.yellow.tag = same_parent ? node.yellow.TagAhead(standing.yellow_ahead) : 0;
  if (!same_parent || (!standing.in_green && !standing.in_yellow)) return;
  node.queue = standing.in_green ? node.green_queue : node.yellow_queue;
  parent.queues[node.queue].heap.Push(
      standing.in_green ? node.green.tag + node.green.lead : node.yellow.tag, id);
  parent.waiting_queues |= 1u << node.queue;
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

std::vector<ClassTree::ClassStats> ClassTreeImpl::Stats(int64_t now_nanos) const {
  std::vector<ClassStats> stats(order_.size());
  std::vector<size_t> place(nodes_.size());
  for (size_t i = 0; i < order_.size(); ++i) place[order_[i]] = i;
  for (size_t i = order_.size(); i-- > 0;) {
    const ClassId id = order_[i];
    const Node& node = nodes_[id];
    ClassStats& s = stats[i];
    s.spec = specs_[id];
    s.leaf = node.leaf;
    s.members += node.members;
    s.waiting_members += node.waiting_members;
    s.waiting_bytes += node.waiting_bytes;
    s.delivered_bytes = node.delivered;
    s.borrowed_bytes = node.borrowed;
    s.throttled_nanos = node.throttled_nanos;
    if (node.throttled) s.throttled_nanos += std::max(now_nanos, now_) - node.throttled_since;
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
