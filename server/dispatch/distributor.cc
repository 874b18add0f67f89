#include "server/dispatch/distributor.h"

#include <algorithm>

#include "absl/types/optional.h"

namespace entropyd {

void Distributor::Pass(int64_t now_nanos) {
  budget_->Wake(now_nanos);
  const size_t pools = classes_->slots().size();
  for (size_t i = 0; i < pools; ++i) {
    Serve(classes_->slots()[(first_slot_ + i) % pools].get(), now_nanos);
  }
  if (pools > 0) first_slot_ = (first_slot_ + 1) % pools;
}

void Distributor::Serve(PoolSlot* slot, int64_t now_nanos) {
  slot->more = slot->hungry = false;
  if (!slot->state.ready() || slot->stopped) return;
  const int64_t started = clock_->NowNanos();
  uint64_t capacity = slot->pool->Available();
  for (uint32_t grants = 0; capacity > 0;) {
    const ClassTree::PassResult result = slot->tree->Distribute(
        now_nanos, {.capacity_bytes = capacity, .max_grants = kPassSliceGrants},
        [](ClassTree::MemberId, void* cookie, uint32_t bytes) {
          auto* const claimant = static_cast<Claimant*>(cookie);
          const uint32_t taken = claimant->Plan(bytes);
          claimant->parked_ = taken == 0;
          return taken;
        });
    charged_bytes_ += result.bytes;
    if (capacity != ClassTree::kUnlimited) capacity -= result.bytes;
    grants += result.grants;
    slot->more = result.more && result.grants > 0 && capacity > 0;
    slot->hungry = result.more && capacity == 0;
    if (!slot->more || grants >= kMaxPassGrants || clock_->NowNanos() - started >= kMaxPassNanos) {
      return;
    }
  }
}

bool Distributor::more() const {
  if (budget_->room_is_wanted()) return true;
  for (const auto& slot : classes_->slots()) {
    if (!slot->state.ready() || slot->stopped) continue;
    // A pool calls back only for bytes that arrive while it is empty. It did not do so for bytes
    // that came during the pass.
    if (slot->more || (slot->hungry && slot->pool->Available() > 0)) return true;
  }
  return false;
}

int64_t Distributor::NextEventNanos(int64_t now_nanos) const {
  int64_t next = kNever;
  for (const auto& slot : classes_->slots()) {
    if (!slot->state.ready() || slot->stopped) continue;
    const absl::optional<int64_t> event = slot->tree->NextEventNanos();
    if (!event.has_value()) continue;
    const int64_t at = std::max(*event, now_nanos + 1);
    next = std::min(next, (at + kTimerGridNanos - 1) / kTimerGridNanos * kTimerGridNanos);
  }
  return next;
}

}  // namespace entropyd
