#include "server/dispatch/class_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/classes/class_config.h"

namespace entropyd {

absl::StatusOr<PoolSetup> MakePoolSetup(const config::v1::PoolConfig& config, int pool_index,
                                        const config::Locations& locations, Pool* pool) {
  absl::StatusOr<std::vector<ClassTree::ClassSpec>> specs =
      ClassSpecs(config, pool_index, locations);
  if (!specs.ok()) return specs.status();
  absl::StatusOr<std::unique_ptr<ClassTree>> tree = ClassTree::Create(TreeOptions(config), *specs);
  if (!tree.ok()) return tree.status();

  PoolSetup setup;
  setup.pool = pool;
  setup.tree = *std::move(tree);
  for (const config::v1::ClassConfig& entry : config.classes()) {
    const absl::StatusOr<ClassTree::ClassId> id = setup.tree->FindLeaf(entry.name());
    if (!id.ok()) continue;  // an inner class
    setup.leaves.push_back({absl::StrCat(config.name(), "/", entry.name()), *id, entry.rate(),
                            entry.ceil() == 0 ? ClassTree::kUnlimited : entry.ceil(),
                            entry.member_weight() == config::v1::MEMBER_WEIGHT_GUESTS});
  }
  return setup;
}

ClassTable::ClassTable(std::vector<PoolSetup> pools) {
  for (PoolSetup& setup : pools) {
    slots_.push_back(std::make_unique<PoolSlot>());
    PoolSlot* slot = slots_.back().get();
    slot->pool = setup.pool;
    slot->tree = std::move(setup.tree);
    slot->state = setup.pool->State();
    slot->differing = {setup.differing.begin(), setup.differing.end()};
    for (const PoolSetup::LeafSetup& leaf : setup.leaves) {
      auto entry = std::make_unique<Leaf>();
      entry->name = leaf.name;
      entry->slot = slot;
      entry->id = leaf.id;
      entry->rate = leaf.rate;
      entry->ceil = leaf.ceil;
      entry->weigh_guests = leaf.weigh_guests;
      leaves_.emplace(leaf.name, std::move(entry));
    }
  }
}

Leaf* ClassTable::FindLeaf(absl::string_view pool_class) const {
  const auto it = leaves_.find(pool_class);
  return it == leaves_.end() ? nullptr : it->second.get();
}

absl::StatusOr<std::vector<const Leaf*>> ClassTable::Update(const ClassUpdate& update,
                                                            int64_t now_nanos) {
  const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const auto& slot) {
    return slot->pool->name() == update.pool;
  });
  if (found == slots_.end()) {
    return absl::NotFoundError(absl::StrCat("change classes: no pool '", update.pool, "'"));
  }
  PoolSlot* const slot = found->get();
  absl::Status updated = slot->tree->Update(update.specs, now_nanos);
  if (!updated.ok()) return updated;
  slot->differing = {update.differing.begin(), update.differing.end()};
  std::vector<const Leaf*> changed;
  for (const ClassTree::ClassSpec& spec : update.specs) {
    Leaf* const leaf = FindLeaf(absl::StrCat(update.pool, "/", spec.name));
    if (leaf == nullptr || (leaf->rate == spec.rate && leaf->ceil == spec.ceil)) continue;
    leaf->rate = spec.rate;
    leaf->ceil = spec.ceil;
    changed.push_back(leaf);
  }
  return changed;
}

std::vector<ClassTable::Change> ClassTable::Refresh(bool retry) {
  std::vector<Change> changes;
  for (const auto& slot : slots_) {
    PoolState state = slot->pool->State();
    const bool discard = state.discard_epoch != slot->state.discard_epoch;
    if (discard || !state.LooksLike(slot->state)) {
      changes.push_back({slot.get(), discard});
      slot->stopped = false;
    }
    if (retry) slot->stopped = false;
    slot->state = std::move(state);
  }
  return changes;
}

std::vector<Claimant*> ClassTable::ClaimantsOf(const PoolSlot& slot) const {
  std::vector<Claimant*> claimants;
  for (const auto& [name, leaf] : leaves_) {
    if (leaf->slot != &slot) continue;
    for (const auto& [identity, members] : leaf->members) {
      const std::vector<Claimant*>& some = members->claimants();
      claimants.insert(claimants.end(), some.begin(), some.end());
    }
  }
  return claimants;
}

}  // namespace entropyd
