// The pools, the tree of classes below each, and who waits in their leaves (claimant.h).
//
//   ClassTable table(std::move(setups));
//   if (Leaf* leaf = table.FindLeaf("default/gold")) claimant->Join(leaf);
//   for (const ClassTable::Change& change : table.Refresh(false)) …   // tell its claimants
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
#include "base/class_tree/class_tree.h"
#include "base/config/config.h"
#include "proto/server_config.pb.h"
#include "server/dispatch/claimant.h"
#include "server/pool/pool.h"

namespace entropyd {

// A pool as the dispatcher is given it.
struct PoolSetup {
  struct LeafSetup {
    // POOL/CLASS.
    std::string name;
    ClassTree::ClassId id = 0;
    uint64_t rate = 0;
    uint64_t ceil = ClassTree::kUnlimited;
    // member_weight: guests.
    bool weigh_guests = false;
  };
  // Outlives the table.
  Pool* pool = nullptr;
  std::unique_ptr<ClassTree> tree;
  std::vector<LeafSetup> leaves;
  // Classes whose figures are not the configuration's.
  std::vector<std::string> differing;
};

// New figures for the classes of a pool that serves; the classes themselves stay.
struct ClassUpdate {
  std::string pool;
  // All of the pool's.
  std::vector<ClassTree::ClassSpec> specs;
  std::vector<std::string> differing;
};

// From the configuration; `pool` may be nullptr when the setup is only checked. Errors:
// INVALID_ARGUMENT with file:line:column.
absl::StatusOr<PoolSetup> MakePoolSetup(const config::v1::PoolConfig& config, int pool_index,
                                        const config::Locations& locations, Pool* pool);

struct PoolSlot {
  Pool* pool = nullptr;
  int writer_index = 0;
  std::unique_ptr<ClassTree> tree;
  // As of the last Refresh(), so that all of a step sees the same.
  PoolState state;
  // A read failed although the state said ready: nothing is planned until the state changes or the
  // next sweep, so that a broken pool is not asked in a busy loop.
  bool stopped = false;
  // Somebody is eligible, since the last pass left it so or after it.
  bool more = false;
  // The last pass left somebody eligible because the pool had no more.
  bool hungry = false;
  // Classes not as configured.
  absl::flat_hash_set<std::string> differing;
};

struct Leaf {
  // POOL/CLASS.
  std::string name;
  PoolSlot* slot = nullptr;
  ClassTree::ClassId id = 0;
  uint64_t rate = 0;
  uint64_t ceil = ClassTree::kUnlimited;
  bool weigh_guests = false;
  // By identity.
  absl::flat_hash_map<std::string, std::vector<Claimant*>> members;
};

class ClassTable {
 public:
  explicit ClassTable(std::vector<PoolSetup> pools);

  // Nullptr = unknown.
  Leaf* FindLeaf(absl::string_view pool_class) const;
  const std::vector<std::unique_ptr<PoolSlot>>& slots() const { return slots_; }

  // All of it or, on an error of ClassTree::Update(), nothing. The leaves whose rate or ceiling is
  // another now, of which their claimants should hear. NOT_FOUND: no such pool.
  absl::StatusOr<std::vector<const Leaf*>> Update(const ClassUpdate& update, int64_t now_nanos);

  struct Change {
    PoolSlot* slot;
    // What was drawn earlier must not be used any more.
    bool discard;
  };
  // Asks every pool for its state; the slots whose claimants should hear of it. A stopped slot is
  // tried again when its state has changed, or when `retry` says so.
  std::vector<Change> Refresh(bool retry);

  // Those who wait for bytes of that pool now.
  std::vector<Claimant*> ClaimantsOf(const PoolSlot& slot) const;

 private:
  std::vector<std::unique_ptr<PoolSlot>> slots_;
  absl::flat_hash_map<std::string, std::unique_ptr<Leaf>> leaves_;
};

}  // namespace entropyd
