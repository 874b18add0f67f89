#include "hostagent/serving/fair_queue.h"

#include <algorithm>
#include <string>
#include <utility>

namespace entropyd {
namespace {

// The only class competes with nobody. The tree only needs some guarantee for a leaf.
constexpr uint64_t kAnyRate = 1;

std::unique_ptr<ClassTree> SingleClass(const std::string& name, uint64_t guest_ceil) {
  ClassTree::Options options;
  options.chunk_bytes = static_cast<uint32_t>(
      std::clamp<uint64_t>(guest_ceil, GuestFloor::kBytes, FairQueue::kChunkBytes));
  ClassTree::ClassSpec spec;
  spec.name = name;
  spec.rate = kAnyRate;
  return ClassTree::Create(options, {spec}).value();  // constant but for the name
}

}  // namespace

FairQueue::FairQueue(ClassBuffer* buffer, uint64_t guest_ceil)
    : buffer_(buffer),
      guest_ceil_(guest_ceil),
      tree_(SingleClass(buffer->class_name(), guest_ceil)),
      leaf_(tree_->FindLeaf(buffer->class_name()).value()),
      held_back_(buffer->size()) {}

FairQueue::Id FairQueue::Add(Member* member) { return AddMember(member, {}); }

FairQueue::Id FairQueue::Add(Member* member, int64_t nano_tokens, int64_t now_nanos) {
  ClassTree::MemberSpec spec;
  spec.nano_tokens = nano_tokens;
  spec.tokens_at_nanos = now_nanos;
  return AddMember(member, spec);
}

FairQueue::Id FairQueue::AddMember(Member* member, const ClassTree::MemberSpec& carried) {
  if (free_.empty()) {
    free_.push_back(static_cast<Id>(slots_.size()));
    slots_.emplace_back();
  }
  const Id id = free_.back();
  free_.pop_back();
  Slot& slot = slots_[id];
  slot = Slot();
  slot.member = member;
  ClassTree::MemberSpec spec = carried;
  spec.ceil = guest_ceil_;
  spec.cookie = reinterpret_cast<void*>(static_cast<uintptr_t>(id));
  slot.id = tree_->AddMember(leaf_, spec);
  SetConnections(id, 1);
  return id;
}

void FairQueue::Remove(Id id, int64_t now_nanos) {
  Slot& slot = slots_[id];
  SetThrottled(&slot, false, now_nanos);
  tree_->Want(slot.id, 0, now_nanos);
  tree_->RemoveMember(slot.id);
  owed_ -= slot.want;
  // Its id may still be in fresh_.
  slot.want = 0;
  floor_.Leaves(id);
  SetConnections(id, 0);
  slot.member = nullptr;
  removed_.push_back(id);
}

void FairQueue::SetConnections(Id id, uint32_t connections) {
  Slot& slot = slots_[id];
  members_ += (connections > 0) - (slot.connections > 0);
  connections_ += connections - slot.connections;
  slot.connections = connections;
  if (connections == 0) waiting_.Leaves(&slot.wait);
}

void FairQueue::Touch(Id id) {
  Slot& slot = slots_[id];
  if (slot.touched || slot.member == nullptr) return;
  slot.touched = true;
  touched_.push_back(id);
}

void FairQueue::Resume(Id id, int64_t now_nanos) {
  Slot& slot = slots_[id];
  slot.blocked = false;
  Unpark(&slot, now_nanos);
  Touch(id);
}

void FairQueue::Unpark(Slot* slot, int64_t now_nanos) {
  if (!slot->parked) return;
  slot->parked = false;
  tree_->Unpark(slot->id, now_nanos);
}

bool FairQueue::ServeAtOnce(Id id, int64_t now_nanos) {
  if (owed_ > 0 || has_ceil() || !touched_.empty() || slots_[id].blocked) return false;
  Member* const member = slots_[id].member;
  const uint64_t want = member->Want();
  if (want == 0 || want > kChunkBytes || !buffer_->Spares(want)) return false;
  const size_t level = buffer_->level();
  member->Plan(static_cast<uint32_t>(want));
  const After after = member->Deliver();
  held_back_.LeftWithoutPass(level - buffer_->level());
  Slot& slot = slots_[id];
  if (slot.member == nullptr) return true;
  slot.blocked = after == After::kBlocked;
  const uint32_t waiting = waiting_.count();
  waiting_.Note(&slot.wait, now_nanos);
  if (after == After::kAgain || waiting_.count() != waiting || member->Want() > 0) Touch(id);
  return true;
}

void FairQueue::SetWant(Slot* slot, int64_t now_nanos) {
  const uint64_t want = slot->member->Want();
  if (want > 0) waiting_.Note(&slot->wait, now_nanos);
  if (want == slot->want) return;
  if (slot->want == 0 && !slot->fresh) {
    slot->fresh = true;
    fresh_.push_back(static_cast<Id>(slot - slots_.data()));
  }
  owed_ += want - slot->want;
  slot->want = want;
  tree_->Want(slot->id, want, now_nanos);
}

void FairQueue::Visit(Id id) {
  Slot& slot = slots_[id];
  if (slot.visiting) return;
  slot.visiting = true;
  visit_.push_back(id);
}

uint32_t FairQueue::Offer(void* cookie, uint32_t bytes) {
  const Id id = static_cast<Id>(reinterpret_cast<uintptr_t>(cookie));
  Slot& slot = slots_[id];
  const uint32_t taken = slot.blocked ? 0 : slot.member->Plan(bytes);
  if (taken == 0) {
    slot.parked = true;
    return 0;
  }
  slot.want -= taken;
  slot.granted += taken;
  owed_ -= taken;
  budget_.Granted(taken);
  Visit(id);
  return taken;
}

void FairQueue::SetThrottled(Slot* slot, bool throttled, int64_t now_nanos) {
  if (slot->throttled) {
    slot->throttled_nanos += now_nanos - slot->throttled_since;
    throttled_nanos_ += now_nanos - slot->throttled_since;
  }
  slot->throttled = throttled;
  slot->throttled_since = now_nanos;
}

// `all_served`: the pass ended with nobody eligible. So a member that still wants bytes waits for
// its ceiling.
void FairQueue::DeliverTo(Id id, int64_t now_nanos, bool all_served) {
  Member* const member = slots_[id].member;
  slots_[id].visiting = false;
  const uint32_t granted = std::exchange(slots_[id].granted, 0);
  if (member == nullptr) return;
  const After after = member->Deliver();
  Slot& slot = slots_[id];
  if (slot.member == nullptr) return;
  slot.blocked = after == After::kBlocked;
  if (!slot.blocked) Unpark(&slot, now_nanos);
  SetWant(&slot, now_nanos);
  if (slot.want == 0) {
    floor_.Leaves(id);
  } else if (granted >= GuestFloor::kBytes) {
    floor_.Served(id, now_nanos);
  } else {
    floor_.Waits(id, now_nanos);
  }
  if (has_ceil()) SetThrottled(&slot, all_served && slot.want > 0 && !slot.blocked, now_nanos);
  if (after == After::kAgain) {
    budget_.Again();
    Touch(id);
  }
}

int64_t FairQueue::throttled_nanos_until(int64_t now_nanos) const {
  int64_t nanos = throttled_nanos_;
  for (const Slot& slot : slots_) {
    if (slot.throttled) nanos += now_nanos - slot.throttled_since;
  }
  return nanos;
}

void FairQueue::CountWaiting(int64_t now_nanos) {
  if (!waiting_.RecountIsDue(now_nanos)) return;
  for (Slot& slot : slots_) waiting_.Recount(&slot.wait, slot.want > 0, now_nanos);
}

// Serves those who have waited for long, from all that is here. Returns what is left.
uint64_t FairQueue::ServeFloor(int64_t now_nanos, uint64_t level) {
  while (level > 0 && !budget_.spent()) {
    const absl::optional<Id> due = floor_.Due(now_nanos);
    if (!due.has_value()) break;
    Slot& slot = slots_[*due];
    const uint64_t most = std::min({level, uint64_t{GuestFloor::kBytes}, budget_.bytes()});
    const uint32_t given = tree_->GrantFloor(
        slot.id, static_cast<uint32_t>(most), now_nanos,
        [this](ClassTree::MemberId, void* cookie, uint32_t bytes) { return Offer(cookie, bytes); });
    level -= given;
    if (slot.want == 0) {
      floor_.Leaves(*due);
    } else if (given >= GuestFloor::kBytes) {
      floor_.Served(*due, now_nanos);
    } else if (level > 0 && !budget_.spent()) {
      floor_.Retry(*due, now_nanos);
    }
  }
  return level;
}

// Serves those who began to wait and have had no more than the others, from all that is here.
// Returns what is left.
uint64_t FairQueue::ServeFresh(int64_t now_nanos, uint64_t level) {
  size_t kept = 0;
  for (Id id : fresh_) {
    Slot& slot = slots_[id];
    if ((level == 0 || budget_.spent()) && slot.want > 0) {
      // It is first when something comes, or in the next turn.
      fresh_[kept++] = id;
      continue;
    }
    slot.fresh = false;
    if (slot.want == 0) continue;
    const uint64_t most = std::min({level, uint64_t{kChunkBytes}, budget_.bytes()});
    level -= tree_->GrantFirst(
        slot.id, static_cast<uint32_t>(most), now_nanos,
        [this](ClassTree::MemberId, void* cookie, uint32_t bytes) { return Offer(cookie, bytes); });
  }
  fresh_.resize(kept);
  return level;
}

// Shares out what has arrived, less what is held back from those who wait. True when the pass ended
// with nobody eligible.
bool FairQueue::Distribute(int64_t now_nanos) {
  uint64_t level = owed_ > 0 ? buffer_->available() : 0;
  level = ServeFresh(now_nanos, ServeFloor(now_nanos, level));
  // The same answer as when there is enough for all.
  if (owed_ == 0) return true;
  if (level <= held_back_.bytes() || budget_.spent()) return false;
  ClassTree::Pass pass;
  pass.capacity_bytes = std::min(level - held_back_.bytes(), budget_.bytes());
  pass.max_grants = budget_.grants();
  const ClassTree::PassResult result = tree_->Distribute(
      now_nanos, pass,
      [this](ClassTree::MemberId, void* cookie, uint32_t bytes) { return Offer(cookie, bytes); });
  return !result.more;
}

// Those who were touched first. Members that want another pass are touched again, behind the
// others.
void FairQueue::AskTouched(int64_t now_nanos) {
  const size_t n = budget_.TakeVisits(touched_.size());
  for (size_t i = 0; i < n; ++i) {
    Slot& slot = slots_[touched_[i]];
    slot.touched = false;
    if (slot.member == nullptr) continue;
    SetWant(&slot, now_nanos);
    Visit(touched_[i]);
  }
  touched_.erase(touched_.begin(), touched_.begin() + static_cast<ptrdiff_t>(n));
}

void FairQueue::Serve(int64_t now_nanos, uint32_t sharers) {
  held_back_.BeforePass(buffer_->level(), owed_, members_, now_nanos);
  budget_ = ServeBudget(sharers);
  do {
    AskTouched(now_nanos);
    const bool all_served = Distribute(now_nanos);
    // Delivering may touch members, but nothing leaves visit_ during a pass.
    for (Id id : visit_) DeliverTo(id, now_nanos, all_served);
    visit_.clear();
  } while (!touched_.empty() && budget_.may_visit() && !budget_.spent());
  held_back_.AfterPass(buffer_->level(), owed_, members_, now_nanos);
  unserved_ = budget_.spent() && owed_ > 0 && buffer_->available() > held_back_.bytes();
  CountWaiting(now_nanos);
  free_.insert(free_.end(), removed_.begin(), removed_.end());
  removed_.clear();
}

}  // namespace entropyd
