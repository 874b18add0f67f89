// The floor of a class's guests: whoever has waited for a second and got nothing has the next 64
// bytes, one Linux request, before anybody's turn. Where the class has 64 bytes a second for each
// that waits, everybody gets them; where it has less, who has waited longest comes first. Long
// waits hurt guests beyond the delay: hot-unplug of a device with a request pending is a use after
// free in QEMU before 10.0.13.
//
//   floor.Waits(id, now);   // has asked for more than it was given
//   while (auto id = floor.Due(now)) {
//     if (Grant(*id, GuestFloor::kBytes)) floor.Served(*id, now); else floor.Retry(*id, now);
//   }
//   floor.Leaves(id);
//
// Guests that are served at once cost nothing here. Thread safety: none.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "base/class_tree/indexed_heap.h"

namespace entropyd {

class GuestFloor {
 public:
  using Id = uint32_t;
  static constexpr uint32_t kBytes = 64;
  static constexpr int64_t kPeriodNanos = 1'000'000'000;
  // When one that was due could not be served, because of its own ceiling, it is looked at again.
  static constexpr int64_t kRetryNanos = 100'000'000;

  GuestFloor() : heap_(&places_) {}
  GuestFloor(const GuestFloor&) = delete;
  GuestFloor& operator=(const GuestFloor&) = delete;

  void Waits(Id id, int64_t now_nanos);   // one that waits already: nothing
  void Served(Id id, int64_t now_nanos);  // and still waits
  void Leaves(Id id);                     // waits no more, or is gone
  void Retry(Id id, int64_t now_nanos);   // REQUIRES: it waits

  // The guest that has had nothing for longest, if that is a period or more.
  absl::optional<Id> Due(int64_t now_nanos) const;

 private:
  bool Holds(Id id) const { return id < places_.size() && places_[id] != IndexedHeap::kAbsent; }

  std::vector<uint32_t> places_;  // by guest
  IndexedHeap heap_;              // keyed by when it began to have nothing
};

}  // namespace entropyd
