// The pools with their class trees, and who waits in them: joins channels and gets to leaves as
// members, weighs them, and knows what each channel's state is.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/class_tree/class_tree.h"
#include "base/config/config.h"
#include "proto/entropy.pb.h"
#include "proto/server_config.pb.h"
#include "server/attach/session.h"
#include "server/pool/pool.h"

namespace entropyd {

// A pool as the dispatcher is given it.
struct PoolSetup {
  struct LeafSetup {
    std::string name;  // POOL/CLASS
    ClassTree::ClassId id = 0;
    uint64_t rate = 0;
    uint64_t ceil = ClassTree::kUnlimited;
    bool weigh_guests = false;  // member_weight: guests
  };
  Pool* pool = nullptr;  // outlives the table
  std::unique_ptr<ClassTree> tree;
  std::vector<LeafSetup> leaves;
  std::vector<std::string> differing;  // classes whose figures are not the configuration's
};

// New figures for the classes of a pool that serves; the classes themselves stay.
struct ClassUpdate {
  std::string pool;
  std::vector<ClassTree::ClassSpec> specs;  // all of the pool's
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
  PoolState state;  // as of the last Refresh()
  // A read failed although the state said ready: nothing is planned until the state changes or the
  // next sweep, so that a broken pool is not asked in a busy loop.
  bool stopped = false;
  bool more = false;    // the last pass left somebody eligible
  bool hungry = false;  // it left somebody eligible because the pool had no more
  absl::flat_hash_set<std::string> differing;  // classes not as configured
};

struct Leaf {
  std::string name;  // POOL/CLASS
  PoolSlot* slot = nullptr;
  ClassTree::ClassId id = 0;
  uint64_t rate = 0;
  uint64_t ceil = ClassTree::kUnlimited;
  bool weigh_guests = false;
  // n streams of one identity weigh 1/n each, so that more streams do not mean a larger share.
  absl::flat_hash_map<std::string, std::vector<Demand*>> members;
};

class ClassTable {
 public:
  explicit ClassTable(std::vector<PoolSetup> pools);

  Leaf* FindLeaf(absl::string_view pool_class) const;  // nullptr = unknown
  const std::vector<std::unique_ptr<PoolSlot>>& slots() const { return slots_; }

  // OK, or FAILED_PRECONDITION: the leaf's pool is of a lower quality than `wanted`.
  static absl::Status CheckQuality(const Leaf& leaf, v1::Quality wanted);

  void Join(Demand* demand, Leaf* leaf);
  void Leave(Demand* demand);
  // Weighs the members of the demand's identity again: its guests have changed.
  void Reweigh(const Demand& demand);

  // All of it or, on an error of ClassTree::Update(), nothing. The leaves whose rate or ceiling is
  // another now, of which a peer should hear. NOT_FOUND: no such pool.
  absl::StatusOr<std::vector<const Leaf*>> Update(const ClassUpdate& update, int64_t now_nanos);

  struct Change {
    PoolSlot* slot;
    bool discard;  // what was drawn earlier must not be used any more
  };
  // Asks every pool for its state; the slots whose state a peer should hear of. A stopped slot is
  // tried again when its state has changed, or when `retry` says so.
  std::vector<Change> Refresh(bool retry);

  // What the peer is told of an open or suspended channel, or a closed one.
  static void Describe(const Channel& channel, v1::ChannelState* state);

 private:
  static const std::string& Identity(const Demand& demand);
  static void Weigh(const Leaf& leaf, const std::vector<Demand*>& members);

  std::vector<std::unique_ptr<PoolSlot>> slots_;
  absl::flat_hash_map<std::string, std::unique_ptr<Leaf>> leaves_;
};

}  // namespace entropyd
