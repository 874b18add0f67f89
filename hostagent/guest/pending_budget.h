// How much memory the pending commands of all connections may have. Without a bound, a guest that
// alternates its commands and reads nothing would use up the memory of the host.
//
//   const size_t most = budget.Most(guest, held);   // the room that this connection may have
//   budget.Change(guest, held, now_held);           // after it has more, or less
//
// A guest may have a part of what the others leave. So however many guests do their worst, there is
// something left for the next one.
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <map>

#include "hostagent/guest/guest_key.h"

namespace entropyd {

class PendingBudget {
 public:
  // In runs of like commands, of 24 bytes each (hostagent/guest/egd_session.h): 12 MiB. They cross
  // a handover in a fifth of a second.
  static constexpr size_t kAll = size_t{1} << 19;
  // A guest may hold 1/kParts of what the others leave. Where it is alone that is as much as one
  // connection may have; beside 63 guests that have taken all they may, it is 2,000 runs.
  static constexpr size_t kParts = 32;
  // Each connection has room for this many runs in any case, and these count nowhere: a program
  // that waits for its replies never needs more.
  static constexpr size_t kFree = 64;

  // The room that a connection of the guest may have, which holds `held` of those that count.
  size_t Most(const GuestKey& guest, size_t held) const;
  // A connection of the guest held `before`, and holds `now`. 0 = no more than kFree.
  void Change(const GuestKey& guest, size_t before, size_t now);

  size_t used() const { return used_; }

 private:
  size_t HeldBy(const GuestKey& guest) const;

  size_t used_ = 0;
  // Those who hold something.
  std::map<GuestKey, size_t> guests_;
};

}  // namespace entropyd
