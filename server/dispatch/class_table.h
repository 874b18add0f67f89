// The pools, the tree of classes below each pool, and the claimants in their leaves (claimant.h).
//
//   ClassTable table(std::move(setups));
//   if (Leaf* leaf = table.FindLeaf("default/gold")) claimant->Join(leaf);
//   for (const ClassTable::StateChange& change : table.Refresh(false)) …   // tell its claimants
//
// A new configuration adds and removes pools and classes (PoolsChange). Claimants in a leaf that
// goes leave it first; the others keep their places, also when their class moves.
//
// Errors: those of the configuration and of ClassTree::Update(); a failed update changes nothing.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/class_tree/class_tree.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"
#include "server/classes/class_update.h"
#include "server/dispatch/claimant.h"
#include "server/pool/pool.h"

namespace entropyd {

// A ceiling that all classes below `name` share.
struct SharedCeiling {
  // POOL/CLASS.
  std::string name;
  uint64_t ceil = 0;
  bool operator==(const SharedCeiling&) const = default;
};

// What the dispatcher needs to know of a new pool.
struct PoolSetup {
  struct LeafSetup {
    // POOL/CLASS.
    std::string name;
    ClassTree::ClassId id = 0;
    uint64_t rate = 0;
    // As Leaf::ceil.
    uint64_t ceil = ClassTree::kUnlimited;
    // True for `member_weight: guests`.
    bool weigh_guests = false;
    // As Leaf::above.
    std::vector<SharedCeiling> above = {};
  };
  // The pool outlives the table, or stays until it is removed there.
  Pool* pool = nullptr;
  std::unique_ptr<ClassTree> tree;
  std::vector<LeafSetup> leaves;
  // The classes whose figures differ from the configuration.
  std::vector<std::string> differing;
};

// The classes of a pool that serves, as a new configuration has them. They are matched by name.
struct ClassesChange {
  ClassUpdate update;
  // Those with `member_weight: guests`.
  std::vector<std::string> weigh_guests;
  ClassTree::Shed shed = ClassTree::Shed::kProportional;
};

// What a new configuration makes of all pools and classes. REQUIRES: a tree can be built of each
// pool's classes.
struct PoolsChange {
  // Names of pools.
  std::vector<std::string> removed;
  std::vector<ClassesChange> changed;
  std::vector<PoolSetup> added;
  // All that are there afterwards, in the order of the configuration.
  std::vector<std::string> order;
};

// Makes the setup from the configuration. `pool` may be nullptr when the setup is only checked.
// Errors: INVALID_ARGUMENT with file:line:column.
absl::StatusOr<PoolSetup> MakePoolSetup(const config::v1::PoolConfig& config, int pool_index,
                                        const config::Locations& locations, Pool* pool);

struct PoolSlot {
  Pool* pool = nullptr;
  int writer_index = 0;
  std::unique_ptr<ClassTree> tree;
  // The state at the last Refresh(), so that a whole step sees the same one.
  PoolState state;
  // A read failed although the state said ready. Nothing is planned until the state changes or
  // until the next sweep, so that no busy loop asks a broken pool.
  bool stopped = false;
  // Some claimant is eligible: the last pass left one, or one became eligible after it.
  bool more = false;
  // The last pass left an eligible claimant because the pool had no more bytes.
  bool hungry = false;
  // The classes that differ from the configuration.
  absl::flat_hash_set<std::string> differing;
};

struct Leaf {
  // POOL/CLASS.
  std::string name;
  PoolSlot* slot = nullptr;
  ClassTree::ClassId id = 0;
  uint64_t rate = 0;
  // The smallest ceil on the way from the class to the root: more than this no byte of it can have,
  // whatever its own ceil is.
  uint64_t ceil = ClassTree::kUnlimited;
  bool weigh_guests = false;
  // The ceilings on the way, without its own. The nearest comes first.
  std::vector<SharedCeiling> above;
  // The claimants in the leaf, by identity.
  absl::flat_hash_map<std::string, std::unique_ptr<IdentityMembers>> members;
};

class ClassTable {
 public:
  explicit ClassTable(std::vector<PoolSetup> pools);

  // Returns nullptr when the class is unknown.
  Leaf* FindLeaf(absl::string_view pool_class) const;
  // Whether it is a class that has others below it.
  bool IsInner(absl::string_view pool_class) const;
  // In the order of their names.
  const std::vector<std::string>& LeafNames() const;
  const std::vector<std::unique_ptr<PoolSlot>>& slots() const { return slots_; }

  // Takes over all of the update or, on an error of ClassTree::Update(), nothing. Returns the
  // leaves with a new rate or a new ceiling, their own or one above; the caller tells their
  // claimants. NOT_FOUND: no such pool.
  absl::StatusOr<std::vector<const Leaf*>> Update(const ClassUpdate& update, int64_t now_nanos);

  // The leaves of pool `name` that are not among the leaves of `specs` (all, without specs).
  // The caller that changes the classes must make their claimants leave before.
  std::vector<Leaf*> Leaving(absl::string_view name,
                             absl::Span<const ClassTree::ClassSpec> specs) const;
  // As Update(), and adds and removes leaves. REQUIRES: no claimant is in a leaf that goes.
  absl::StatusOr<std::vector<const Leaf*>> Change(const ClassesChange& change, int64_t now_nanos);
  PoolSlot* AddPool(PoolSetup setup);
  // REQUIRES: no claimant is in its leaves.
  void RemovePool(absl::string_view name);
  // Returns nullptr when the pool is unknown.
  PoolSlot* FindSlot(absl::string_view name) const;
  // Puts the slots into this order of names. Others come last.
  void Sort(absl::Span<const std::string> order);

  struct StateChange {
    PoolSlot* slot;
    // Bytes from before must not be used any more.
    bool discard;
  };
  // Asks every pool for its state. Returns the slots whose claimants must hear of a change. A
  // stopped slot is tried again when its state has changed, or when `retry` is true.
  std::vector<StateChange> Refresh(bool retry);

  // The claimants that wait for bytes of that pool now.
  std::vector<Claimant*> ClaimantsOf(const PoolSlot& slot) const;

 private:
  // Returns the leaves with a new rate or ceiling.
  std::vector<const Leaf*> TakeFigures(PoolSlot* slot, const ClassUpdate& update);
  void AddLeaf(PoolSlot* slot, const PoolSetup::LeafSetup& setup);

  std::vector<std::unique_ptr<PoolSlot>> slots_;
  absl::flat_hash_map<std::string, std::unique_ptr<Leaf>> leaves_;
  // The answer of LeafNames(), made when somebody asks; empty after each change.
  mutable std::vector<std::string> leaf_names_;
};

}  // namespace entropyd
