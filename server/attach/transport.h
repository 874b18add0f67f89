// What a session needs from its stream, beyond the outlet that every call has.
//
//   session->SetTransport(std::move(transport));
//   session->transport()->StartRead();      // answered by Session::kRead or kReadEnd
//
// Errors: a failed write is an event (Session::kWriteFailed), not a status.
//
// Thread safety: as Outlet; StartRead() and Cancel() are called by the thread that holds the
// dispatcher.
#pragma once

#include "server/dispatch/outlet.h"

namespace entropyd {

// The stream of an Attach. Send() is answered by Session::kWritten or kWriteFailed.
class Transport : public Outlet {
 public:
  // Reads one message into the inbox of the session; answered by kRead or kReadEnd.
  virtual void StartRead() = 0;
  // Gives the peer up: outstanding reads and writes fail soon, and kCancelled comes.
  virtual void Cancel() = 0;
};

}  // namespace entropyd
