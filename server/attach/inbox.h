// What a session hears: the message of its peer that was read last, and how long the peer has been
// silent.
//
//   Transport                                     dispatcher's owner
//   Parse(bytes, inbox->room());
//   inbox->Filled(parsed);
//   loop->Post(session, Session::kRead);  ----->  auto message = inbox->Look(greeted);
//                                                 ... handle it ...
//                                                 inbox->Empty();
//                                                 inbox->Heard(now);
//                                         <-----  transport->StartRead();
//
// There is room for one message, so a peer that talks much is read no faster than it is answered.
//
// Errors: a message that does not parse, or comes at a wrong moment, is INVALID_ARGUMENT, which the
// session ends with.
//
// Thread safety: room() and Filled() belong to the transport, between Transport::StartRead() and
// the event that answers it; all else belongs to the dispatcher's owner.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class Inbox {
 public:
  // A peer that promised heartbeats and sends nothing for so long is gone: three of an agent's
  // intervals. For one that promised longer ones it is three of those.
  static constexpr int64_t kSilenceTimeoutNanos = 3 * kAgentHeartbeatNanos;

  // Where the next message is read to. It is empty.
  v1::AgentMessage* room() { return &message_; }
  // The message is there; or why it is not.
  void Filled(absl::Status parsed) { parsed_ = std::move(parsed); }

  // The message that has come, valid until Empty(). `greeted`: the peer has said hello.
  absl::StatusOr<const v1::AgentMessage*> Look(bool greeted) const;
  void Empty() { message_.Clear(); }

  // The peer has said something, or was not listened to until now.
  void Heard(int64_t now_nanos) { heard_nanos_ = now_nanos; }
  // The peer sends something at least so often; 0 = it promises nothing.
  void Promise(uint32_t heartbeat_ms);
  // It has promised heartbeats, and has sent nothing for too long.
  bool Silent(int64_t now_nanos) const;

 private:
  v1::AgentMessage message_;
  absl::Status parsed_;
  int64_t heard_nanos_ = 0;
  // How long the peer may be silent; kNever = it has promised no heartbeats.
  int64_t patience_nanos_ = kNever;
};

}  // namespace entropyd
