// One attached stream of the agent. It has a channel per class, puts arriving grants into buffers,
// and turns what buffers want into credit (proto/README.md). It has no policy about servers and
// does no I/O itself: Upstream decides which attachments there are, and the stream moves the
// messages.
//
// While a new attachment replaces an old one, both live. The new one may credit a buffer only when
// the old one's channel for it is closed, so that level + promised <= size holds for their sum.
//
//   Attachment attachment(&context, "a:7743", std::move(stream));   // sends Hello and Opens
//   while (attachment.Receive(kTurn)) ServeGuests();
//   attachment.SendDue();
//   if (auto end = attachment.ended(); end.has_value()) Redial(*end);
//
// Errors: ended() tells why the stream is over.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "client/attach_ledger.h"
#include "client/entropy_stream.h"
#include "hostagent/serving/class_filler.h"
#include "hostagent/upstream/loss_ceilings.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class Attachment {
 public:
  // One of the classes, and what of it is always at hand. All in upstream that concerns one class
  // points to this.
  struct Class {
    FilledClass* filled = nullptr;
    ClassBuffer* buffer = nullptr;
    Counter* received_bytes = nullptr;
  };
  // What all attachments of an upstream share. References outlive the attachment.
  struct Context {
    // 16 bytes.
    std::string host_id;
    // Never changes: attachments and others point to its elements.
    std::vector<Class> classes;
    std::shared_ptr<LossCeilings> loss_ceilings;
    // Gives numbers in [0, 1).
    std::function<double()> uniform;
    const Clock* clock = nullptr;
    Log* log = nullptr;
    Counter* credit_lines = nullptr;
    // Messages refused because of a gap or a repeat.
    Counter* refused_gap = nullptr;
    // Messages refused because they bring more than promised.
    Counter* refused_excess = nullptr;
    // Messages refused for anything else.
    Counter* refused_malformed = nullptr;
  };

  // A server that promised heartbeats and says nothing for so long counts as silent: its own
  // promise (3 s), and two seconds more for the way.
  static constexpr int64_t kSilencePatienceNanos = 5 * kSecondNanos;
  static constexpr int64_t kLatenessNanos = 2 * kSecondNanos;
  // From then on the stream has so long before it is given up. gRPC's pings end it before when
  // nobody is there at all. They do not notice a server whose work has stopped.
  static constexpr int64_t kGiveUpNanos = 10 * kSecondNanos;

  // Sends Hello and an Open per class at once.
  Attachment(const Context* context, std::string server, std::unique_ptr<EntropyStream> stream);
  // Cancels. All promises are void.
  ~Attachment();

  // Handles at most `max_messages` messages. After a message that brought bytes for a class has
  // been handled and wiped, it tells the class. Returns whether it stopped because of the maximum.
  bool Receive(int max_messages);

  // Opens again what the server closed a while ago, and sends the credit and acks that are due.
  void SendDue();
  // Sends the credit of one class only, whose demand has changed. Here and below, the class is one
  // of the context's.
  void SendDue(const Class& of);
  // Notices that the server is silent. When that lasts, gives the stream up.
  void NoteSilence(int64_t now);
  // Whether this attachment may credit that class. At first it may credit all.
  void AllowCredit(const Class& of, bool allow) { LaneOf(of)->may_credit = allow; }

  // Asks the server to close every channel, and sends no credit after that. Half-closes when all
  // are closed.
  void Leave();
  void Cancel() { stream_->Cancel(); }

  // Why the stream is over, once everything it brought was handled: the server's status, or what
  // made us cancel it.
  absl::optional<absl::Status> ended() const;

  bool welcomed() const { return ledger_.welcomed(); }
  // Whether the connection stands.
  bool connected() const { return stream_->connected(); }
  const std::string& server() const { return server_; }
  int64_t started_nanos() const { return started_; }
  // Set by the server's Drain, or when the stream has used its 64 channels: attach a new one.
  bool wants_replacement() const { return drain_.has_value() || exhausted_; }
  const absl::optional<v1::Drain>& drain() const { return drain_; }
  // True while the server may still send bytes for that class.
  bool HoldsRoom(const Class& of) const { return HoldsRoom(LaneOf(of)); }
  bool HoldsAnyRoom() const;
  // When the server last said anything, or the stream was started.
  int64_t heard_nanos() const { return heard_at_; }
  // Since when the class is SUSPENDED; INT64_MAX = it is not.
  int64_t suspended_since(const Class& of) const { return LaneOf(of).suspended_since; }
  // What a person can do about a class that is CLOSED; else empty.
  std::string remedy(const Class& of) const;
  // From when on the server counts as silent, as of the last NoteSilence(); kNever = it does not,
  // or it has promised no heartbeats. It does not matter what classes wait for.
  int64_t silent_since() const { return silent_since_; }
  // The server's last word on the class's channel.
  const v1::ChannelState& state(const Class& of) const { return LaneOf(of).state; }

  // When SendDue() next has something to do, unless the stream wakes its owner before; INT64_MAX =
  // never.
  int64_t next_deadline_nanos() const;

 private:
  // The path of one class through this stream. Its channel changes when it is opened again.
  struct Lane {
    explicit Lane(const Class* to) : of(to) {}

    const Class* of;
    // 0 = none yet.
    uint32_t channel = 0;
    bool may_credit = true;
    // The server has said OPEN, SUSPENDED or CLOSED.
    bool answered = false;
    uint32_t guests_told = 0;
    uint32_t waiting_told = 0;
    int64_t reopen_at = INT64_MAX;
    int64_t suspended_since = INT64_MAX;
    v1::ChannelState state;
  };

  void OpenLane(Lane* lane);
  void Reopen(int64_t now);
  absl::Status Accept(const ServerMessageView& message, std::vector<const Class*>* brought);
  void ApplyState(const v1::ChannelState& state);
  void LogPhase(const std::string& class_name, const v1::ChannelState& state);
  void Refuse(absl::Status why);
  void GiveUp(absl::Status why);
  void Send(const v1::AgentMessage& message);
  // How long the server may say nothing; kNever = it has promised no heartbeats.
  int64_t patience() const;
  // When a heartbeat is due, if nothing else is sent; kNever = the server expects none.
  int64_t heartbeat_at() const;
  const Lane& LaneOf(const Class& of) const;
  Lane* LaneOf(const Class& of) { return const_cast<Lane*>(&std::as_const(*this).LaneOf(of)); }
  // nullptr = the channel was closed and replaced.
  Lane* LaneWith(uint32_t channel);
  bool HoldsRoom(const Lane& lane) const;
  bool CanSend() const;
  bool RaiseLimit(const Lane& lane);
  bool OwesAck(const Lane& lane) const;
  void SendLinesIfDue(bool raised);
  void SendLines();

  const Context& context_;
  const std::string server_;
  const int64_t started_;
  const std::unique_ptr<EntropyStream> stream_;
  AttachLedger ledger_;
  // One for each class, in the order of context_.classes.
  std::vector<Lane> lanes_;
  // Why a message was refused, or the server was given up. The stream is cancelled then.
  absl::Status given_up_;
  absl::optional<v1::Drain> drain_;
  bool exhausted_ = false;
  bool leaving_ = false;
  bool half_closed_ = false;
  int64_t next_ack_at_ = 0;
  // When the last message was sent.
  int64_t sent_at_;
  int64_t heard_at_;
  int64_t silent_since_ = kNever;
};

}  // namespace entropyd
