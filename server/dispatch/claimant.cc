#include "server/dispatch/claimant.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "server/dispatch/class_table.h"

namespace entropyd {

uint64_t Claimant::wanted() const { return leaf_->slot->tree->MemberWant(member_); }

void Claimant::Weigh() {
  const double weight = leaf_->weigh_guests ? std::max<uint32_t>(1, waiting_guests()) : 1;
  const double streams = static_cast<double>(members_->claimants_.size());
  leaf_->slot->tree->SetMemberWeight(member_, weight / streams);
}

void Claimant::Join(Leaf* leaf) {
  leaf_ = leaf;
  member_ = leaf->slot->tree->AddMember(leaf->id, {.cookie = this});
  std::unique_ptr<IdentityMembers>& members = leaf->members[identity()];
  if (members == nullptr) members = std::make_unique<IdentityMembers>();
  members_ = members.get();
  members_->Add(this);
}

void Claimant::Leave() {
  Leaf* const leaf = std::exchange(leaf_, nullptr);
  if (leaf == nullptr) return;
  leaf->slot->tree->RemoveMember(member_);
  parked_ = false;
  members_->Remove(this);
  if (members_->claimants_.empty()) leaf->members.erase(identity());
  members_ = nullptr;
}

void Claimant::Reweigh() {
  if (leaf_->weigh_guests) Weigh();
}

void IdentityMembers::Add(Claimant* claimant) {
  claimant->place_ = claimants_.size();
  claimants_.push_back(claimant);
  claimant->Weigh();
  WeighSome();
}

void IdentityMembers::Remove(Claimant* claimant) {
  claimants_[claimant->place_] = claimants_.back();
  claimants_[claimant->place_]->place_ = claimant->place_;
  claimants_.pop_back();
  WeighSome();
}

void IdentityMembers::WeighAll() {
  for (Claimant* claimant : claimants_) claimant->Weigh();
}

void IdentityMembers::WeighSome() {
  for (size_t i = std::min(claimants_.size(), kWeighedAtOnce); i > 0; --i) {
    if (next_ >= claimants_.size()) next_ = 0;
    claimants_[next_++]->Weigh();
  }
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
