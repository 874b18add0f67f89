// The place of a connection in the fair queue of its class: the class, the connection's guest, and
// the share of that guest, in which the connection takes its turns.
//
//   QueuePlace place(&guests, served_class);
//   place.Join(&connection, guest, /*nano_tokens=*/absl::nullopt, now);
//   if (!place.ServeAtOnce(now)) place.Touch();   // its wants or pending replies have changed
//   place.Leave(now);
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>

#include "absl/types/optional.h"
#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/guests.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/guest_share.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class QueuePlace {
 public:
  // Both outlive it.
  QueuePlace(Guests* guests, ServedClass* served_class) : guests_(guests), class_(served_class) {}
  QueuePlace(const QueuePlace&) = delete;
  QueuePlace& operator=(const QueuePlace&) = delete;

  ServedClass* served_class() const { return class_; }
  // REQUIRES: it has not joined.
  void SetClass(ServedClass* served_class) { class_ = served_class; }

  // Joins the guest's share of the class, and is touched. `nano_tokens`: see Guests::Join().
  // REQUIRES: it has not joined; not within a pass of FairQueue.
  void Join(FairQueue::Member* connection, const GuestKey& guest,
            absl::optional<int64_t> nano_tokens, int64_t now_nanos);
  // REQUIRES: it has joined.
  void Leave(int64_t now_nanos);
  bool joined() const { return share_ != nullptr; }
  // As of the last Join().
  const GuestKey& joined_as() const { return joined_as_; }

  // As in GuestShare. REQUIRES: it has joined.
  void Touch() { share_->Touch(id_); }
  bool ServeAtOnce(int64_t now_nanos) { return share_->ServeAtOnce(id_, now_nanos); }
  void Resume() { share_->Resume(id_); }
  bool OthersWait() const { return share_->OthersWait(id_); }

  // In all shares that it has been in, as GuestShare counts it.
  int64_t throttled_nanos(int64_t now_nanos) const {
    return throttled_before_ + (joined() ? share_->throttled_nanos(id_, now_nanos) : 0);
  }
  // What the ceiling allows the guest at once, and that divided by its connections. REQUIRES: it
  // has joined.
  int64_t nano_tokens(int64_t now_nanos) const { return share_->nano_tokens(now_nanos); }
  int64_t own_nano_tokens(int64_t now_nanos) const {
    return nano_tokens(now_nanos) / share_->connections();
  }

 private:
  Guests* const guests_;
  ServedClass* class_;
  // nullptr = it has not joined, or has left.
  GuestShare* share_ = nullptr;
  GuestShare::Id id_ = 0;
  GuestKey joined_as_;
  // In the shares that it has left.
  int64_t throttled_before_ = 0;
};

}  // namespace entropyd
