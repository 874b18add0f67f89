#include "hostagent/serving/guest_floor.h"

namespace entropyd {

void GuestFloor::Waits(Id id, int64_t now_nanos) {
  if (Holds(id)) return;
  if (id >= places_.size()) places_.resize(id + 1, IndexedHeap::kAbsent);
  heap_.Push(static_cast<uint64_t>(now_nanos), id);
}

void GuestFloor::Served(Id id, int64_t now_nanos) {
  if (!Holds(id)) return Waits(id, now_nanos);
  heap_.Rekey(id, static_cast<uint64_t>(now_nanos));
}

void GuestFloor::Leaves(Id id) {
  if (Holds(id)) heap_.Remove(id);
}

void GuestFloor::Retry(Id id, int64_t now_nanos) {
  heap_.Rekey(id, static_cast<uint64_t>(now_nanos - kPeriodNanos + kRetryNanos));
}

absl::optional<GuestFloor::Id> GuestFloor::Due(int64_t now_nanos) const {
  if (heap_.empty()) return absl::nullopt;
  const int64_t since = static_cast<int64_t>(heap_.top_key());
  if (now_nanos - since < kPeriodNanos) return absl::nullopt;
  return heap_.top_id();
}

}  // namespace entropyd
