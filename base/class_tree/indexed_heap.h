// A 4-ary min-heap of (key, id). It knows the place of every id, so an id can be removed from the
// middle or get another key. A node has four children: half the levels, one cache line a level.
//
//   std::vector<uint32_t> places(ids, IndexedHeap::kAbsent);
//   IndexedHeap heap(&places);
//   heap.Push(due, id);
//   while (!heap.empty() && heap.top_key() <= now) heap.Remove(heap.top_id());
//
// The heap compares keys by the sign of their difference. So virtual times may wrap around, as long
// as all keys of one heap lie within 2^63 of each other. Equal keys leave in the order they came.
//
// Push() allocates only beyond what Reserve() asked for.
//
// Errors: none.
//
// Thread safety: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace entropyd {

class IndexedHeap {
 public:
  static constexpr uint32_t kAbsent = std::numeric_limits<uint32_t>::max();

  // (*places)[id] holds the place of each id; kAbsent = in no heap. Several heaps may share
  // `places`; then an id is in at most one of them at a time.
  // REQUIRES: `places` outlives the heap and has an element for every id that is pushed.
  explicit IndexedHeap(std::vector<uint32_t>* places) : places_(places) {}

  // Makes room for n entries. Grows geometrically, so a call for each new id costs O(1).
  void Reserve(size_t n) {
    if (n > entries_.capacity()) entries_.reserve(std::max(n, 2 * entries_.capacity()));
  }

  // REQUIRES for the last two: not empty.
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  uint32_t top_id() const { return entries_.front().id; }
  uint64_t top_key() const { return entries_.front().key; }

  // REQUIRES: id is in no heap.
  void Push(uint64_t key, uint32_t id) {
    entries_.push_back({key, id, arrivals_++});
    SiftUp(entries_.size() - 1);
  }

  // REQUIRES: id is in this heap.
  void Rekey(uint32_t id, uint64_t key) {
    const size_t place = (*places_)[id];
    Entry& entry = entries_[place];
    if (entry.key == key) return;
    entry.key = key;
    entry.arrival = arrivals_++;
    if (!SiftUp(place)) SiftDown(place);
  }

  // REQUIRES: id is in this heap.
  void Remove(uint32_t id) {
    const size_t place = (*places_)[id];
    (*places_)[id] = kAbsent;
    const Entry last = entries_.back();
    entries_.pop_back();
    if (place == entries_.size()) return;
    entries_[place] = last;
    if (!SiftUp(place)) SiftDown(place);
  }

 private:
  struct Entry {
    uint64_t key;
    uint32_t id;
    uint32_t arrival;  // breaks ties; wraps like the keys
  };

  // Whether `a` leaves before `b`.
  static bool Before(const Entry& a, const Entry& b) {
    const int64_t difference = static_cast<int64_t>(a.key - b.key);
    if (difference != 0) return difference < 0;
    return static_cast<int32_t>(a.arrival - b.arrival) < 0;
  }

  // Moves the changed entry at `place` up as far as it belongs. Records all places, even when
  // nothing moves. Returns whether the entry moved.
  bool SiftUp(size_t place) {
    Entry* const entries = entries_.data();
    uint32_t* const places = places_->data();
    const Entry entry = entries[place];
    const size_t start = place;
    while (place > 0) {
      const size_t parent = (place - 1) / 4;
      if (!Before(entry, entries[parent])) break;
      entries[place] = entries[parent];
      places[entries[place].id] = static_cast<uint32_t>(place);
      place = parent;
    }
    entries[place] = entry;
    places[entry.id] = static_cast<uint32_t>(place);
    return place != start;
  }

  // The same, downwards.
  void SiftDown(size_t place) {
    Entry* const entries = entries_.data();
    uint32_t* const places = places_->data();
    const Entry entry = entries[place];
    const size_t size = entries_.size();
    for (size_t first = 4 * place + 1; first < size; first = 4 * place + 1) {
      size_t least = first;
      const size_t end = std::min(first + 4, size);
      for (size_t child = first + 1; child < end; ++child) {
        if (Before(entries[child], entries[least])) least = child;
      }
      if (!Before(entries[least], entry)) break;
      entries[place] = entries[least];
      places[entries[place].id] = static_cast<uint32_t>(place);
      place = least;
    }
    entries[place] = entry;
    places[entry.id] = static_cast<uint32_t>(place);
  }

  // As large as a vector; saves the allocation of most leaves, which have one member.
  absl::InlinedVector<Entry, 1> entries_;
  std::vector<uint32_t>* places_;
  uint32_t arrivals_ = 0;
};

}  // namespace entropyd
