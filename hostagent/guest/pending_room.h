// The room that one connection has for pending commands: its part of the PendingBudget. Without
// room, the peer's bytes are left unread.
//
//   PendingRoom room(&budget);
//   room.Join(guest, session.capacity());
//   if (session.Room(room.most()) == 0) room.LeaveUnread();
//   room.Hold(session.capacity());                       // after each read and reply
//   if (room.ReadsOn(session.Room(room.most()))) Read();
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>

#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/pending_budget.h"

namespace entropyd {

class PendingRoom {
 public:
  // What was left unread is read on when there is room for this many commands. A connection that
  // has at most half of what each may have in any case has that room.
  static constexpr size_t kReadOnRoom = PendingBudget::kFree / 2;

  // The budget outlives it.
  explicit PendingRoom(PendingBudget* budget) : budget_(budget) {}
  PendingRoom(const PendingRoom&) = delete;
  PendingRoom& operator=(const PendingRoom&) = delete;
  ~PendingRoom() { Leave(); }

  // What the connection holds is the guest's from now on. `capacity` as of Hold(). REQUIRES: it has
  // joined nobody, or left.
  void Join(const GuestKey& guest, size_t capacity);
  // Gives back what it holds.
  void Leave();

  // In runs of like commands.
  size_t most() const { return budget_->Most(guest_, held_); }
  // The connection's queue now has memory for this many runs.
  void Hold(size_t capacity);

  // Something is left unread.
  bool unread() const { return unread_; }
  // There is no room. True when what comes was read until now.
  bool LeaveUnread();
  // True, once, when what was left unread is to be read because there is room for `runs`.
  bool ReadsOn(size_t runs);

 private:
  PendingBudget* const budget_;
  GuestKey guest_;
  // Of the budget.
  size_t held_ = 0;
  bool unread_ = false;
};

}  // namespace entropyd
