#include "server/dispatch/claimant.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/dispatch/class_table.h"

namespace entropyd {

uint64_t Claimant::wanted() const { return leaf_->slot->tree->MemberWant(member_); }

void Claimant::Weigh(const Leaf& leaf, const std::vector<Claimant*>& members) {
  const double streams = static_cast<double>(members.size());
  for (const Claimant* one : members) {
    const double weight = leaf.weigh_guests ? std::max<uint32_t>(1, one->waiting_guests()) : 1;
    leaf.slot->tree->SetMemberWeight(one->member_, weight / streams);
  }
}

void Claimant::Join(Leaf* leaf) {
  leaf_ = leaf;
  member_ = leaf->slot->tree->AddMember(leaf->id, {.cookie = this});
  std::vector<Claimant*>& members = leaf->members[identity()];
  members.push_back(this);
  Weigh(*leaf, members);
}

void Claimant::Leave() {
  Leaf* const leaf = std::exchange(leaf_, nullptr);
  if (leaf == nullptr) return;
  leaf->slot->tree->RemoveMember(member_);
  parked_ = false;
  const auto it = leaf->members.find(identity());
  std::vector<Claimant*>& members = it->second;
  members.erase(std::find(members.begin(), members.end(), this));
  if (members.empty()) {
    leaf->members.erase(it);
  } else {
    Weigh(*leaf, members);
  }
}

void Claimant::Reweigh() {
  if (leaf_->weigh_guests) Weigh(*leaf_, leaf_->members.find(identity())->second);
}

// A claimant that calls Want() or Unpark() after the pass is served by another pass at once.
void Claimant::Want(uint64_t bytes, int64_t now_nanos) {
  leaf_->slot->tree->Want(member_, bytes, now_nanos);
  leaf_->slot->more = leaf_->slot->more || bytes > 0;
}

void Claimant::Unpark(int64_t now_nanos) {
  if (!parked_) return;
  parked_ = false;
  leaf_->slot->tree->Unpark(member_, now_nanos);
  leaf_->slot->more = true;
}

}  // namespace entropyd
