// What the server needs of a transport, so that everything but the adapters is free of gRPC.
//
// Thread safety: Send() is called on the thread that ran the dispatcher, after it has let go of
// it; the others while it holds it. Calls for one outlet never overlap with its own Finish().
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "server/dispatch/writer.h"

namespace entropyd {

// One call's way back to its peer.
class Outlet {
 public:
  virtual ~Outlet() = default;
  // Takes a finished message. Attach: answered by Session::kWritten or kWriteFailed. Get: the
  // reply, which ends the call.
  virtual void Send(MessageBuffer message) = 0;
  // Ends the call. Never while a Send() is unanswered.
  virtual void Finish(const absl::Status& status) = 0;
};

// The stream of an Attach.
class Transport : public Outlet {
 public:
  // Reads one message into Session::inbox; answered by kRead or kReadEnd.
  virtual void StartRead() = 0;
  // Gives the peer up: outstanding reads and writes fail soon, kCancelled comes.
  virtual void Cancel() = 0;
};

}  // namespace entropyd
