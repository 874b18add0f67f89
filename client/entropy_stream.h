// One Attach stream as seen by a client: messages in, messages out, no policy.
//
// gRPC's threads only move messages and call `wake`; everything else happens on the owner's thread:
//
//   auto stream = EntropyStream::Start(channel, [fd] { eventfd_write(fd, 1); });
//   stream->Send(hello);
//   ...
//   while (auto message = stream->TryNext()) Handle(message->view());   // wiped when it goes
//   if (auto status = stream->finished()) Reconnect(*status);
//
// Reading is paced by the owner: when it holds enough, the next read starts only once a message has
// been destroyed. Slices are wiped in place before they return to gRPC.
// A paused reader does not see the stream's end: it comes after the messages that wait.
//
// Thread safety: one owner at a time; `wake` is called on gRPC's threads, must not block, and may
// itself be the owner, if it sees to it that only one is. The stream dies on none of gRPC's
// threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"

namespace grpc {
class Channel;
}

namespace entropyd {

// May outlive its stream. Thread safety: the stream's owner thread.
class ReceivedMessage {
 public:
  virtual ~ReceivedMessage() = default;  // wipes the slices, lets the next read start
  // Not OK when the bytes were no ServerMessage; the owner should Cancel().
  virtual const absl::StatusOr<ServerMessageView>& view() const = 0;
};

class EntropyStream {
 public:
  // The largest message a client takes: the payload, its framing, and room for states.
  static constexpr int kMaxReceiveBytes = kAttachMaxPayload + 48 * 1024;
  // Received messages that wait for the owner or are in its hands: beyond either, reading pauses.
  // The bytes bound what entropy lies about outside locked memory (and a last message on top), the
  // messages what small ones cost.
  static constexpr size_t kMaxHeldBytes = kAttachMaxPayload;
  static constexpr int kMaxHeldMessages = 16;

  // `wake` is called when a message or the end is there, and when all that is queued is on its way
  // if unsent() said meanwhile that it was not.
  static std::unique_ptr<EntropyStream> Start(std::shared_ptr<grpc::Channel> channel,
                                              std::function<void()> wake);
  virtual ~EntropyStream() = default;  // cancels, and waits for gRPC's last callback

  // Queued; written one at a time, in order. False when the stream is over.
  virtual bool Send(const v1::AgentMessage& message) = 0;
  // Messages queued or being written. Who sends only at 0 always sends its newest numbers.
  virtual size_t unsent() const = 0;
  virtual std::unique_ptr<ReceivedMessage> TryNext() = 0;  // nullptr: nothing there now
  // Set once, after the last message was taken.
  virtual absl::optional<absl::Status> finished() const = 0;
  virtual void HalfClose() = 0;  // after what is queued
  virtual void Cancel() = 0;
};

}  // namespace entropyd
