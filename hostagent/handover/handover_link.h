// Messages and descriptors between giver and taker, over a unix stream socket.
//
//   frame: 4 bytes length of the message, 4 bytes number of descriptors, both big endian, then the
//   message (proto/agent_handover.proto). The descriptors travel with the first bytes of the frame,
//   with each byte as many as the kernel passes at once.
//
//   auto link = HandoverLink::Connect("/run/entropyd/agent.sock.handover").value();
//   link->Send(message, {}, absl::Now() + absl::Seconds(2));
//
// Both ends must be of the same user, or root. What comes is checked all the same.
//
// Errors: see each function.
//
// Thread safety: none; belongs to one thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "base/process/fd.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class HandoverLink {
 public:
  // The kernel passes at most SCM_MAX_FD = 253 at once.
  static constexpr size_t kFdsAtOnce = 253;
  // The sockets of as many single guests as `max_guests` may ever allow, and listeners.
  static constexpr size_t kMaxFds = 128 * 1024;
  // A batch of connections is 10 MB at most, of an older version; 100,000 sockets' names are 20.
  static constexpr size_t kMaxMessage = 64 * 1024 * 1024;

  struct Received {
    handover::v1::Message message;
    std::vector<UniqueFd> fds;
  };

  // Takes a connected socket and makes it non-blocking. Errors: PERMISSION_DENIED when the peer is
  // of another user and not root.
  static absl::StatusOr<std::unique_ptr<HandoverLink>> Create(UniqueFd socket);
  // Errors: NOT_FOUND when nobody listens there (no socket, or a stale one); of connect; as
  // Create().
  static absl::StatusOr<std::unique_ptr<HandoverLink>> Connect(const std::string& path);

  int fd() const { return socket_.get(); }
  // 0 = the peer is in another pid namespace.
  int32_t peer_pid() const { return peer_pid_; }

  // Waits until the kernel has taken it all. REQUIRES: the message has a byte for each kFdsAtOnce
  // descriptors. Errors: UNAVAILABLE when the peer is gone, DEADLINE_EXCEEDED. After either, the
  // link cannot be used any more.
  absl::Status Send(const handover::v1::Message& message, absl::Span<const int> fds,
                    absl::Time deadline);

  // The next message, if all of it has come and two reads suffice for it. Otherwise the next call
  // goes on: a long message does not keep the caller. Errors: UNAVAILABLE when the peer is gone,
  // DATA_LOSS when what comes is no frame.
  absl::StatusOr<absl::optional<Received>> TryReceive();
  // Waits for the next message. Errors: as TryReceive(), DEADLINE_EXCEEDED.
  absl::StatusOr<Received> Receive(absl::Time deadline);

  // After this nothing more can arrive. Either a Send() of the peer has succeeded, and TryReceive()
  // gives what it sent, or it fails.
  void StopReceiving();

 private:
  HandoverLink(UniqueFd socket, int32_t peer_pid)
      : socket_(std::move(socket)), peer_pid_(peer_pid) {}
  ssize_t SendPiece(absl::string_view bytes, absl::Span<const int> fds) const;
  absl::Status Await(short events, absl::Time deadline) const;
  // Reads up to `want` bytes to the end of `buffer_`; false = there is nothing now.
  absl::StatusOr<bool> Read(size_t want);

  const UniqueFd socket_;
  const int32_t peer_pid_;
  // Of the frame that has begun.
  std::string buffer_;
  std::vector<UniqueFd> fds_;
};

}  // namespace entropyd
