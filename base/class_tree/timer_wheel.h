// Orders ids by time, for so many ids that one heap of them would not fit into the cache. Ids that
// are due soon wait in a heap. The others wait in lists, one list for about each millisecond. To
// enter a list costs one cache line; to leave it costs none.
//
//   TimerWheel timers(&places);
//   timers.Resize(ids);                 // allocates; nothing else does
//   timers.Set(id, due);                // again and again, never to an earlier time
//   timers.Clear(id);
//   timers.Advance(now, due_of);        // due_of(id): when a timer that is set is due
//   while (!timers.empty() && timers.top_key() <= now) { ... timers.Clear(timers.top_id()); }
//
// Clear() leaves a timer in its list. When the time of the list comes, the timer is dropped; if it
// was set again meanwhile, it enters a list again. This is exact as long as an id is never set to
// an earlier time than before. Reset() lifts that rule for the times before it.
//
// Errors: none.
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
  // `places` as for IndexedHeap: where each id is in the heap.
  explicit TimerWheel(std::vector<uint32_t>* places) : places_(places), soon_(places) {
    heads_.fill(kNone);
  }

  // Makes room for ids 0..ids-1, so that Set() never allocates.
  void Resize(size_t ids) {
    timers_.resize(ids);
    soon_.Reserve(ids);
  }

  // Whether the timer of `id` is set.
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

  // Moves into the heap what is due up to `now_nanos`, and what is due in the same slot. A time
  // before that of the last call changes nothing.
  template <typename DueOf>
  void Advance(int64_t now_nanos, DueOf due_of) {
    const int64_t to = Slot(now_nanos);
    // A whole turn of the wheel visits every list.
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

  // The heap: the timers that are set and due soon.
  bool empty() const { return soon_.empty(); }
  uint32_t top_id() const { return soon_.top_id(); }
  uint64_t top_key() const { return soon_.top_key(); }

  // Forgets all lists, and the times before. REQUIRES: no timer is set.
  void Reset() {
    heads_.fill(kNone);
    for (Timer& timer : timers_) timer = Timer();
  }

 private:
  static constexpr uint32_t kNone = (1u << 30) - 1;
  // 1.05 ms a slot, about a tick of the dispatcher. Shorter slots would be visited for nothing;
  // longer ones make the heap larger. A turn of the wheel takes a second. A timer that is due later
  // enters a list again once a turn.
  static constexpr int kSlotBits = 20;
  static constexpr int64_t kSlots = 1024;

  // In 32 bits, because there is one for every id. `next` is the next id of its list.
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
  int64_t slot_ = 0;  // the lists of this slot and of all before it have been moved
};

}  // namespace entropyd
