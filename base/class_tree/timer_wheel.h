// Ids ordered by time, for so many ids that a heap of them would not fit into a cache: those due
// soon wait in a heap, those due later in lists, one for each millisecond or so, which cost one
// cache line to enter and none to leave.
//
//   TimerWheel timers(&places);
//   timers.Resize(ids);                 // allocates; nothing else does
//   timers.Set(id, due);                // again and again, never to an earlier time
//   timers.Clear(id);
//   timers.Advance(now, due_of);        // due_of(id): when a timer that is set is due
//   while (!timers.empty() && timers.top_key() <= now) { ... timers.Clear(timers.top_id()); }
//
// A timer in a list is not taken out when it is cleared: its turn comes, and it is dropped or, when
// it has been set again in the meantime, listed anew. This is exact as long as an id is never set
// to an earlier time than before; Reset() forgets that.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/class_tree/indexed_heap.h"

namespace entropyd {

class TimerWheel {
 public:
  // As IndexedHeap; the places are those of the heap.
  explicit TimerWheel(std::vector<uint32_t>* places) : places_(places), soon_(places) {
    heads_.fill(kNone);
  }

  // For ids 0..ids-1. Allocates, so that Set() never does.
  void Resize(size_t ids) {
    timers_.resize(ids);
    soon_.Reserve(ids);
  }

  bool set(uint32_t id) const { return timers_[id].set; }

  // REQUIRES: not set; due_nanos >= 0 and not earlier than any time of this id since Reset().
  void Set(uint32_t id, int64_t due_nanos) {
    Timer& timer = timers_[id];
    timer.set = true;
    if (timer.listed) return;
    if (Slot(due_nanos) <= slot_) {
      soon_.Push(static_cast<uint64_t>(due_nanos), id);
    } else {
      List(id, Slot(due_nanos));
    }
  }

  // REQUIRES: set.
  void Clear(uint32_t id) {
    timers_[id].set = false;
    if ((*places_)[id] != IndexedHeap::kAbsent) soon_.Remove(id);
  }

  // Moves what is due up to `now`, and somewhat later, into the heap. A time before that of the
  // last call changes nothing.
  template <typename DueOf>
  void Advance(int64_t now_nanos, DueOf due_of) {
    const int64_t to = Slot(now_nanos);
    // After a whole turn every list has been looked at.
    const int64_t from = std::max(slot_ + 1, to - kSlots + 1);
    slot_ = std::max(slot_, to);
    for (int64_t slot = from; slot <= to; ++slot) {
      uint32_t id = std::exchange(heads_[slot % kSlots], kNone);
      while (id != kNone) {
        Timer& timer = timers_[id];
        const uint32_t next = timer.next;
        timer.listed = false;
        if (timer.set) {
          timer.set = false;
          Set(id, due_of(id));
        }
        id = next;
      }
    }
  }

  // The heap: those set that are due soon.
  bool empty() const { return soon_.empty(); }
  uint32_t top_id() const { return soon_.top_id(); }
  uint64_t top_key() const { return soon_.top_key(); }

  // REQUIRES: none is set.
  void Reset() {
    heads_.fill(kNone);
    for (Timer& timer : timers_) timer = Timer();
  }

 private:
  static constexpr uint32_t kNone = (1u << 30) - 1;
  // 1.05 ms, about a tick of the dispatcher: shorter ones would be looked at in vain, longer ones
  // make the heap larger. A turn takes a second; what is due later is listed anew once a turn.
  static constexpr int kSlotBits = 20;
  static constexpr int64_t kSlots = 1024;

  struct Timer {
    uint32_t next : 30 = kNone;
    uint32_t set : 1 = 0;
    uint32_t listed : 1 = 0;
  };

  static int64_t Slot(int64_t nanos) { return nanos >> kSlotBits; }

  void List(uint32_t id, int64_t slot) {
    timers_[id].listed = true;
    timers_[id].next = std::exchange(heads_[slot % kSlots], id);
  }

  std::vector<uint32_t>* places_;
  IndexedHeap soon_;
  std::vector<Timer> timers_;
  std::array<uint32_t, kSlots> heads_;
  int64_t slot_ = 0;  // the lists of this one and of all before it have been moved
};

}  // namespace entropyd
