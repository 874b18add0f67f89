// Who the guest of a connection is, as far as it is known, and whether the connection is held until
// it is.
//
//   Identification who(peer.start_ticks);
//   who.Hold();
//   who.Know(answer.identity, answer.start_ticks);
//   if (who.Release()) Serve();
//
// Errors: none. What an older program has saved and this one does not understand is a guest without
// a name.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>

#include "hostagent/identity/guest_identity.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class Identification {
 public:
  // `start_ticks`: of the peer's process, as it connected.
  explicit Identification(uint64_t start_ticks) : start_ticks_(start_ticks) {}

  // The answer has not come yet, and the connection waits for it.
  bool held() const { return held_; }
  void Hold() { held_ = true; }
  // Whether it was held.
  bool Release();

  // Source kNone = it has no name.
  const GuestIdentity& identity() const { return identity_; }
  // The start of the process for which that is true.
  uint64_t start_ticks() const { return start_ticks_; }
  // `start_ticks`: 0 = that process is gone. Then it keeps its time, so that nobody takes another
  // one for it that has its pid.
  void Know(GuestIdentity identity, uint64_t start_ticks);

  // For a handover. The peer's start_ticks cross with the peer, so Restore() leaves them.
  void Save(handover::v1::Connection* saved) const;
  void Restore(const handover::v1::Connection& saved);

 private:
  GuestIdentity identity_;
  uint64_t start_ticks_;
  bool held_ = false;
};

}  // namespace entropyd
