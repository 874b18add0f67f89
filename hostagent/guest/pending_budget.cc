#include "hostagent/guest/pending_budget.h"

#include <algorithm>

namespace entropyd {

size_t PendingBudget::HeldBy(const GuestKey& guest) const {
  const auto found = guests_.find(guest);
  return found == guests_.end() ? 0 : found->second;
}

size_t PendingBudget::Most(const GuestKey& guest, size_t held) const {
  const size_t of_guest = HeldBy(guest);
  const size_t of_others = used_ - of_guest;
  const size_t part = (kAll - std::min(kAll, of_others)) / kParts;
  // Of which the guest's other connections have had some.
  return std::max(kFree, part - std::min(part, of_guest - held));
}

void PendingBudget::Change(const GuestKey& guest, size_t before, size_t now) {
  used_ += now - before;
  size_t& held = guests_[guest];
  held += now - before;
  if (held == 0) guests_.erase(guest);
}

}  // namespace entropyd
