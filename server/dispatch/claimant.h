// A claimant waits for bytes in a leaf class. It is a channel of an agent, or a pending Get.
//
//   claimant->Join(leaf);              // weighs as much as its identity's share allows
//   claimant->Want(64 * 1024, now);    // a level; Plan() calls follow, from the next pass on
//   claimant->Unpark(now);             // after a Plan() that took nothing
//   claimant->Leave();
//
// Errors: none. A claimant that cannot take bytes is parked.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/class_tree/class_tree.h"
#include "server/pool/pool.h"

namespace entropyd {

class Claimant;
struct Leaf;

// The claimants of one identity in one leaf. n of them weigh 1/n each of what each would alone.
//
// A join or a leave changes n, but computes new weights only for the next few of them, in turn, so
// that its cost does not depend on n. A claimant that is left out is weighed when its turn comes,
// or when it says that its guests have changed. Until then the identity's weight is a little too
// high or too low, and what it can gain is bounded by the credit that each claimant has.
class IdentityMembers {
 public:
  // More than an identity has in a leaf with the shares' usual limits: then all weights are exact.
  static constexpr size_t kWeighedAtOnce = 16;

  const std::vector<Claimant*>& claimants() const { return claimants_; }
  // The leaf weighs otherwise than before.
  void WeighAll();

 private:
  friend class Claimant;
  void Add(Claimant* claimant);
  void Remove(Claimant* claimant);
  // Weighs the next ones.
  void WeighSome();

  std::vector<Claimant*> claimants_;
  // Who is weighed next.
  size_t next_ = 0;
};

class Claimant {
 public:
  Claimant(const Claimant&) = delete;
  Claimant& operator=(const Claimant&) = delete;

  // Takes up to `bytes` into its plan and returns how many. When it returns 0 it is parked: no
  // offer comes before Unpark(). It must not call Join(), Leave(), Want() or Unpark() from within.
  virtual uint32_t Plan(uint32_t bytes) = 0;
  // Its pool's state has changed. `discard`: bytes that it got earlier must not be used any more.
  // It may leave from within this call.
  virtual void OnPool(const PoolState& state, bool discard) = 0;
  // Its class has new figures, in bytes/s.
  virtual void OnFigures(uint64_t rate, uint64_t ceil) = 0;
  // Its class is about to be removed. It must leave from within this call.
  virtual void OnRemoval() = 0;
  // Who the claimant works for. n claimants of one identity weigh 1/n each, so that more streams
  // give no larger share.
  virtual absl::string_view identity() const = 0;
  // Its weight in a class that weighs guests.
  virtual uint32_t waiting_guests() const { return 1; }

  // The leaf in which it waits. nullptr = it waits nowhere, and only Join() may be called.
  Leaf* leaf() const { return leaf_; }
  bool parked() const { return parked_; }
  // The bytes of the last Want(), less what it was given since.
  uint64_t wanted() const;

  void Join(Leaf* leaf);
  // Does nothing when it waits nowhere.
  void Leave();
  // Its waiting_guests() have changed.
  void Reweigh();
  // How many bytes it waits for, besides what it has planned; 0 = none.
  void Want(uint64_t bytes, int64_t now_nanos);
  // Does nothing when it is not parked.
  void Unpark(int64_t now_nanos);

 protected:
  Claimant() = default;
  // REQUIRES: it has left, or nothing is distributed any more.
  ~Claimant() = default;

 private:
  friend class Distributor;
  friend class IdentityMembers;
  // Tells the tree its weight. REQUIRES: it is in a leaf.
  void Weigh();

  Leaf* leaf_ = nullptr;
  // Those of its identity in the leaf, and its place among them.
  IdentityMembers* members_ = nullptr;
  size_t place_ = 0;
  ClassTree::MemberId member_ = 0;
  bool parked_ = false;
};

}  // namespace entropyd
