// The socket of a connection: it is watched, read, and written to. Bytes that it does not take now
// are kept until it takes them.
//
//   PeerSocket socket(&loop, &handler, std::move(fd));
//   if (auto status = socket.Begin(/*reads=*/true); !status.ok()) return status;
//   if (socket.Send(staged, replies, &arena, now) == PeerSocket::Sent::kSome) …;
//   if (socket.SendRest(now) == PeerSocket::Sent::kAll) …;    // when it is writable
//
// It is watched edge-triggered: the kernel tells each thing once. Watch() makes it tell again what
// holds now.
//
// Errors: of the loop's watch, from Begin(). What a write fails with is Sent::kFailed and errno.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/fd.h"
#include "hostagent/guest/session_state.h"
#include "hostagent/guest/unsent_replies.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/loop/quick_call.h"

namespace entropyd {

class PeerSocket {
 public:
  // The loop and the handler outlive it.
  PeerSocket(EventLoop* loop, EventLoop::Handler* handler, UniqueFd fd)
      : fd_(std::move(fd)), watch_(loop, handler) {}

  // Begins to watch it: for input if it `reads`, and always for its end. After an error it is
  // closed.
  absl::Status Begin(bool reads);
  // Watches again. REQUIRES: Begin().
  void Watch(bool reads);
  // Closes it, and wipes what it did not take.
  void Close();
  bool closed() const { return !fd_; }
  int fd() const { return fd_.get(); }

  // As recv(2), without waiting.
  ssize_t Receive(absl::Span<uint8_t> into) { return QuickReceive(fd_.get(), into); }

  enum class Sent {
    kAll,
    // The rest is kept; holds_back() until SendRest().
    kSome,
    // The peer is gone; see errno.
    kFailed,
    // There is a rest, and no memory to keep it in.
    kNoMemory,
  };
  // Writes the replies that `replies` describes. `staged` is secret, and stays the caller's to
  // wipe. REQUIRES: nothing is held back.
  Sent Send(absl::Span<const uint8_t> staged, const std::vector<StagedReply>& replies,
            SecretArena* arena, int64_t now_nanos);
  // Writes on. REQUIRES: something is held back.
  Sent SendRest(int64_t now_nanos);
  // It has not taken all that was written.
  bool holds_back() const { return !unsent_.empty(); }
  // The replies that it has not taken. Valid until the next call.
  Unsent unsent() const { return unsent_.owed(); }

  // The peer has read every byte that the socket took, or the kernel cannot tell.
  bool AllRead() const;
  // When it was last written to.
  int64_t wrote_at_nanos() const { return wrote_at_; }
  // After a handover: as if it was written to now.
  void WroteAt(int64_t now_nanos) { wrote_at_ = now_nanos; }

 private:
  UniqueFd fd_;
  FdWatch watch_;
  UnsentReplies unsent_;
  int64_t wrote_at_ = 0;
};

}  // namespace entropyd
