// The floor of a class's members. A member that has waited for a second and got nothing gets the
// next 64 bytes, one Linux request, before all others. Where the class has 64 bytes a second for
// each that waits, everybody gets them. Where it has less, the one that has waited longest comes
// first. Long waits hurt guests beyond the delay: hot-unplug of a device with a pending request is
// a use after free in QEMU before 10.0.13.
//
//   floor.Waits(id, now);   // has asked for more than it was given
//   while (auto id = floor.Due(now)) {
//     if (Grant(*id, GuestFloor::kBytes)) floor.Served(*id, now); else floor.Retry(*id, now);
//   }
//   floor.Leaves(id);
//
// Members that are served at once cost nothing here.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "base/class_tree/indexed_heap.h"
#include "base/process/nanos.h"

namespace entropyd {

class GuestFloor {
 public:
  using Id = uint32_t;
  static constexpr uint32_t kBytes = 64;
  static constexpr int64_t kPeriodNanos = kSecondNanos;
  // If a member that was due could not be served, because of its own ceiling, it is due again after
  // this time.
  static constexpr int64_t kRetryNanos = 100 * kMillisecondNanos;

  GuestFloor() : heap_(&places_) {}
  GuestFloor(const GuestFloor&) = delete;
  GuestFloor& operator=(const GuestFloor&) = delete;

  // Does nothing for a member that waits already.
  void Waits(Id id, int64_t now_nanos);
  // It got its bytes, and still waits.
  void Served(Id id, int64_t now_nanos);
  // It waits no more, or is gone.
  void Leaves(Id id);
  // It could not be served now. REQUIRES: it waits.
  void Retry(Id id, int64_t now_nanos);

  // The member that has had nothing for longest, if that is a period or more.
  absl::optional<Id> Due(int64_t now_nanos) const;

 private:
  bool Holds(Id id) const { return id < places_.size() && places_[id] != IndexedHeap::kAbsent; }

  // By member.
  std::vector<uint32_t> places_;
  // The key is the time since which a member has had nothing.
  IndexedHeap heap_;
};

}  // namespace entropyd
