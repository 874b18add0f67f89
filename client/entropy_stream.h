// One Attach stream on the client's side. It moves messages in and out, and decides nothing.
//
// gRPC's threads only move messages and call `wake`. All else happens on the owner's thread:
//
//   auto stream = EntropyStream::Start(channel, [fd] { eventfd_write(fd, 1); });
//   stream->Send(hello);
//   ...
//   while (auto message = stream->TryNext()) Handle(message->view());   // wiped when it goes
//   if (auto status = stream->finished()) Reconnect(*status);
//
// The owner sets the pace of reading: when it holds enough, the next read starts only after it has
// destroyed a message. Slices are wiped in place before they return to gRPC. While reading pauses,
// the owner does not see the end of the stream: the end comes after the messages that wait.
//
// Errors: finished() says how the stream ended, in the server's words or gRPC's.
//
// Thread safety: one owner at a time. gRPC's threads call `wake`; it must not block. It may act as
// the owner itself, if it makes sure that only one does. Never destroy the stream on a thread of
// gRPC.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/wire/attach_limits.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"

namespace grpc {
class Channel;
}

namespace entropyd {

// A message that the owner holds. It may outlive its stream, and belongs to the owner's thread.
class ReceivedMessage {
 public:
  virtual ~ReceivedMessage() = default;  // wipes the slices and lets the next read start
  // Not OK when the bytes are no ServerMessage. Then the owner should Cancel().
  virtual const absl::StatusOr<ServerMessageView>& view() const = 0;
};

class EntropyStream {
 public:
  // Bounds of the received messages that wait for the owner or that it holds. Reading pauses at
  // either. The bytes bound the entropy outside locked memory (one message may come on top); the
  // number of messages bounds what small ones cost.
  static constexpr size_t kMaxHeldBytes = kAttachMaxPayload;
  static constexpr int kMaxHeldMessages = 16;

  // Calls `wake` when a message has come, and when the stream has ended. Also when all queued
  // messages have been written, if unsent() was above 0 before.
  static std::unique_ptr<EntropyStream> Start(std::shared_ptr<grpc::Channel> channel,
                                              std::function<void()> wake);
  virtual ~EntropyStream() = default;  // cancels, and waits for gRPC's last callback

  // Queues the message. Messages are written one at a time, in order. False when the stream is
  // over.
  virtual bool Send(const v1::AgentMessage& message) = 0;
  // Messages that are queued or being written. An owner that sends only at 0 always sends its
  // newest numbers.
  virtual size_t unsent() const = 0;
  virtual std::unique_ptr<ReceivedMessage> TryNext() = 0;  // nullptr: nothing there now
  // Whether the connection stands: the server can hear what is sent.
  virtual bool connected() const = 0;
  // How the stream ended; set after the owner has taken the last message.
  virtual absl::optional<absl::Status> finished() const = 0;
  // Ends our side after the queued messages.
  virtual void HalfClose() = 0;
  // Ends the stream now.
  virtual void Cancel() = 0;
};

}  // namespace entropyd
