#include "server/dispatch/class_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/classes/class_config.h"

namespace entropyd {

namespace {

// The ceilings from a class to the root.
struct WayUp {
  // The smallest, the class's own included.
  uint64_t ceil = ClassTree::kUnlimited;
  // As Leaf::above.
  std::vector<SharedCeiling> above;
};

// By the name of the class. REQUIRES: a tree can be built of the classes.
absl::flat_hash_map<std::string, WayUp> WaysUp(absl::string_view pool,
                                               absl::Span<const ClassTree::ClassSpec> specs) {
  absl::flat_hash_map<std::string, const ClassTree::ClassSpec*> by_name;
  for (const ClassTree::ClassSpec& spec : specs) by_name[spec.name] = &spec;
  absl::flat_hash_map<std::string, WayUp> ways;
  for (const ClassTree::ClassSpec& spec : specs) {
    WayUp& way = ways[spec.name];
    way.ceil = spec.ceil;
    for (std::string name = spec.parent; !name.empty(); name = by_name[name]->parent) {
      const uint64_t ceil = by_name[name]->ceil;
      if (ceil == ClassTree::kUnlimited) continue;
      way.ceil = std::min(way.ceil, ceil);
      way.above.push_back({absl::StrCat(pool, "/", name), ceil});
    }
  }
  return ways;
}

}  // namespace

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
  const absl::flat_hash_map<std::string, WayUp> ways = WaysUp(config.name(), *specs);
  for (const config::v1::ClassConfig& entry : config.classes()) {
    const absl::StatusOr<ClassTree::ClassId> id = setup.tree->FindLeaf(entry.name());
    if (!id.ok()) continue;  // an inner class
    const WayUp& way = ways.at(entry.name());
    setup.leaves.push_back({absl::StrCat(config.name(), "/", entry.name()), *id, entry.rate(),
                            way.ceil, entry.member_weight() == config::v1::MEMBER_WEIGHT_GUESTS,
                            way.above});
  }
  return setup;
}

ClassTable::ClassTable(std::vector<PoolSetup> pools) {
  for (PoolSetup& setup : pools) AddPool(std::move(setup));
}

PoolSlot* ClassTable::AddPool(PoolSetup setup) {
  slots_.push_back(std::make_unique<PoolSlot>());
  PoolSlot* const slot = slots_.back().get();
  slot->pool = setup.pool;
  slot->tree = std::move(setup.tree);
  slot->state = setup.pool->State();
  slot->differing = {setup.differing.begin(), setup.differing.end()};
  for (const PoolSetup::LeafSetup& leaf : setup.leaves) AddLeaf(slot, leaf);
  return slot;
}

void ClassTable::AddLeaf(PoolSlot* slot, const PoolSetup::LeafSetup& setup) {
  auto leaf = std::make_unique<Leaf>();
  leaf->name = setup.name;
  leaf->slot = slot;
  leaf->id = setup.id;
  leaf->rate = setup.rate;
  leaf->ceil = setup.ceil;
  leaf->weigh_guests = setup.weigh_guests;
  leaf->above = setup.above;
  leaves_.emplace(setup.name, std::move(leaf));
  leaf_names_.clear();
}

void ClassTable::RemovePool(absl::string_view name) {
  PoolSlot* const slot = FindSlot(name);
  if (slot == nullptr) return;
  absl::erase_if(leaves_, [slot](const auto& entry) { return entry.second->slot == slot; });
  leaf_names_.clear();
  slots_.erase(std::find_if(slots_.begin(), slots_.end(),
                            [slot](const auto& one) { return one.get() == slot; }));
}

PoolSlot* ClassTable::FindSlot(absl::string_view name) const {
  const auto found = std::find_if(slots_.begin(), slots_.end(),
                                  [name](const auto& slot) { return slot->pool->name() == name; });
  return found == slots_.end() ? nullptr : found->get();
}

void ClassTable::Sort(absl::Span<const std::string> order) {
  const auto place = [order](const std::unique_ptr<PoolSlot>& slot) {
    return std::find(order.begin(), order.end(), slot->pool->name()) - order.begin();
  };
  std::stable_sort(slots_.begin(), slots_.end(),
                   [&place](const auto& a, const auto& b) { return place(a) < place(b); });
}

Leaf* ClassTable::FindLeaf(absl::string_view pool_class) const {
  const auto it = leaves_.find(pool_class);
  return it == leaves_.end() ? nullptr : it->second.get();
}

bool ClassTable::IsInner(absl::string_view pool_class) const {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(pool_class, absl::MaxSplits('/', 1));
  const PoolSlot* const slot = FindSlot(parts.first);
  return slot != nullptr &&
         absl::IsFailedPrecondition(slot->tree->FindLeaf(std::string(parts.second)).status());
}

const std::vector<std::string>& ClassTable::LeafNames() const {
  if (!leaf_names_.empty()) return leaf_names_;
  leaf_names_.reserve(leaves_.size());
  for (const auto& [name, leaf] : leaves_) leaf_names_.push_back(name);
  std::sort(leaf_names_.begin(), leaf_names_.end());
  return leaf_names_;
}

namespace {

absl::Status NoSuchPool(const std::string& pool) {
  return absl::NotFoundError(absl::StrCat("change classes: no pool '", pool, "'"));
}

}  // namespace

absl::StatusOr<std::vector<const Leaf*>> ClassTable::Update(const ClassUpdate& update,
                                                            int64_t now_nanos) {
  PoolSlot* const slot = FindSlot(update.pool);
  if (slot == nullptr) return NoSuchPool(update.pool);
  absl::Status updated = slot->tree->Update(update.specs, now_nanos);
  if (!updated.ok()) return updated;
  return TakeFigures(slot, update);
}

std::vector<const Leaf*> ClassTable::TakeFigures(PoolSlot* slot, const ClassUpdate& update) {
  slot->differing = {update.differing.begin(), update.differing.end()};
  const absl::flat_hash_map<std::string, WayUp> ways = WaysUp(update.pool, update.specs);
  std::vector<const Leaf*> changed;
  for (const ClassTree::ClassSpec& spec : update.specs) {
    Leaf* const leaf = FindLeaf(absl::StrCat(update.pool, "/", spec.name));
    const WayUp& way = ways.at(spec.name);
    if (leaf == nullptr) continue;
    if (leaf->rate == spec.rate && leaf->ceil == way.ceil && leaf->above == way.above) continue;
    leaf->rate = spec.rate;
    leaf->ceil = way.ceil;
    leaf->above = way.above;
    changed.push_back(leaf);
  }
  return changed;
}

std::vector<Leaf*> ClassTable::Leaving(absl::string_view name,
                                       absl::Span<const ClassTree::ClassSpec> specs) const {
  absl::flat_hash_set<std::string> stay;
  for (const ClassTree::ClassSpec& spec : specs) stay.insert(absl::StrCat(name, "/", spec.name));
  // What has children is no leaf.
  for (const ClassTree::ClassSpec& spec : specs) stay.erase(absl::StrCat(name, "/", spec.parent));
  std::vector<Leaf*> leaving;
  for (const auto& [leaf_name, leaf] : leaves_) {
    if (leaf->slot->pool->name() == name && !stay.contains(leaf_name)) {
      leaving.push_back(leaf.get());
    }
  }
  return leaving;
}

absl::StatusOr<std::vector<const Leaf*>> ClassTable::Change(const ClassesChange& change,
                                                            int64_t now_nanos) {
  const ClassUpdate& update = change.update;
  PoolSlot* const slot = FindSlot(update.pool);
  if (slot == nullptr) return NoSuchPool(update.pool);
  slot->tree->SetShed(change.shed);
  absl::Status updated = slot->tree->Update(update.specs, now_nanos);
  if (!updated.ok()) return updated;
  for (const Leaf* leaf : Leaving(update.pool, update.specs)) {
    const std::string name = leaf->name;
    leaves_.erase(name);
    leaf_names_.clear();
  }
  std::vector<const Leaf*> changed = TakeFigures(slot, update);
  const absl::flat_hash_map<std::string, WayUp> ways = WaysUp(update.pool, update.specs);
  const absl::flat_hash_set<std::string> weigh_guests(change.weigh_guests.begin(),
                                                      change.weigh_guests.end());
  for (const ClassTree::ClassSpec& spec : update.specs) {
    const absl::StatusOr<ClassTree::ClassId> id = slot->tree->FindLeaf(spec.name);
    if (!id.ok()) continue;  // an inner class
    const std::string name = absl::StrCat(update.pool, "/", spec.name);
    const bool weigh = weigh_guests.contains(spec.name);
    Leaf* const leaf = FindLeaf(name);
    if (leaf == nullptr) {
      const WayUp& way = ways.at(spec.name);
      AddLeaf(slot, {name, *id, spec.rate, way.ceil, weigh, way.above});
    } else if (leaf->weigh_guests != weigh) {
      leaf->weigh_guests = weigh;
      for (const auto& [identity, members] : leaf->members) members->WeighAll();
    }
  }
  return changed;
}

std::vector<ClassTable::StateChange> ClassTable::Refresh(bool retry) {
  std::vector<StateChange> changes;
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
