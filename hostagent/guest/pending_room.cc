#include "hostagent/guest/pending_room.h"

#include <utility>

namespace entropyd {

void PendingRoom::Join(const GuestKey& guest, size_t capacity) {
  guest_ = guest;
  Hold(capacity);
}

void PendingRoom::Leave() { Hold(0); }

void PendingRoom::Hold(size_t capacity) {
  const size_t held = capacity > PendingBudget::kFree ? capacity : 0;
  if (held == held_) return;
  budget_->Change(guest_, std::exchange(held_, held), held);
}

bool PendingRoom::LeaveUnread() { return !std::exchange(unread_, true); }

bool PendingRoom::ReadsOn(size_t runs) {
  if (!unread_ || runs < kReadOnRoom) return false;
  unread_ = false;
  return true;
}

}  // namespace entropyd
