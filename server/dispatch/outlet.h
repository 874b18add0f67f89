// What the server needs from a transport. It keeps everything but the adapters free of gRPC.
//
//   outlet->Send(std::move(message));       // answered by an event
//   outlet->Finish(status);
//
// Errors: a failed write is an event of the protocol, not a status.
//
// Thread safety: the thread that ran the dispatcher calls Send() after it has released the
// dispatcher, and the other functions while it still owns it. Calls for one outlet never overlap
// with its own Finish().
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/dispatch/writer.h"

namespace entropyd {

// One call's way back to its peer.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // Takes a finished message. An event of the protocol answers it, unless the message is a reply,
  // which ends the call.
  virtual void Send(MessageBuffer message) = 0;
  // Ends the call. Must not be called while a Send() is unanswered.
  virtual void Finish(const absl::Status& status) = 0;
};

}  // namespace entropyd
