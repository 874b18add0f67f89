// One attached stream of the agent: a channel per buffer, arriving grants into buffers, buffers'
// wants into credit (proto/README.md). No policy about servers and no I/O of its own: Upstream
// decides which attachments there are, the stream moves the messages.
//
// While an old attachment hands over to a new one, both live; the new one may credit a buffer only
// once the old one's channel for it is closed, so that level + promised <= size holds for their
// sum.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "base/process/metrics.h"
#include "client/attach_ledger.h"
#include "client/entropy_stream.h"
#include "hostagent/serving/class_buffer.h"
#include "proto/entropy.pb.h"

namespace entropyd {

class Attachment {
 public:
  // What all attachments of an upstream share. References outlive the attachment.
  struct Context {
    std::string host_id;  // 16 bytes
    std::vector<ClassBuffer*> buffers;
    std::function<double()> uniform;  // [0, 1)
    const Clock* clock = nullptr;
    Log* log = nullptr;
    std::vector<Counter*> received_bytes;  // per buffer
    Counter* credit_lines = nullptr;
    Counter* refused_gap = nullptr;        // messages refused: a gap or a repeat,
    Counter* refused_excess = nullptr;     // more than promised,
    Counter* refused_malformed = nullptr;  // anything else
  };

  // Sends Hello and an Open per buffer at once.
  Attachment(const Context* context, std::string server, std::unique_ptr<EntropyStream> stream);
  ~Attachment();  // cancels; what was promised is void

  // Handles at most `max_messages` messages; `arrived(i)` is called after a message that brought
  // bytes for buffers[i] has been dealt with and wiped. Returns whether it stopped because of the
  // maximum.
  bool Receive(int max_messages, absl::FunctionRef<void(size_t)> arrived);

  // Opens again what the server closed a while ago, and sends the credit and acks that are due.
  void SendDue();
  // The same for the credit of one buffer only: its demand has changed.
  void SendDue(size_t buffer);
  // May this attachment credit that buffer? At first: yes, all.
  void AllowCredit(size_t buffer, bool allow) { lanes_[buffer].may_credit = allow; }

  // Asks the server to close every channel; no credit after it. Half-closes when all are closed.
  void Leave();
  void Cancel() { stream_->Cancel(); }

  // Why the stream is over, once everything it brought was handled: the server's status, or the
  // refusal that made us cancel it (then violated() is true).
  absl::optional<absl::Status> ended() const;
  bool violated() const { return !refusal_.ok(); }

  bool welcomed() const { return ledger_.welcomed(); }
  const std::string& server() const { return server_; }
  int64_t started_nanos() const { return started_; }
  // Set by the server's Drain; or when the stream has used its 64 channels: attach a new one.
  bool wants_replacement() const { return drain_.has_value() || exhausted_; }
  const absl::optional<v1::Drain>& drain() const { return drain_; }
  // True while the server may still send bytes for that buffer.
  bool HoldsRoom(size_t buffer) const;
  bool HoldsAnyRoom() const;
  uint64_t promised(size_t buffer) const;
  // When the server last said anything, or the stream was started.
  int64_t heard_nanos() const { return heard_at_; }
  // Since when the class is SUSPENDED; INT64_MAX = it is not.
  int64_t suspended_since(size_t buffer) const { return lanes_[buffer].suspended_since; }
  // Since when bytes are promised without a break; INT64_MAX = none are.
  int64_t promised_since(size_t buffer) const;
  // The server's last word on the buffer's channel.
  const v1::ChannelState& state(size_t buffer) const { return lanes_[buffer].state; }

  // When SendDue() has something to do next, unless the stream wakes its owner before; INT64_MAX =
  // never.
  int64_t next_deadline_nanos() const;

 private:
  // The way of one buffer through this stream; its channel changes when it is opened again.
  struct Lane {
    uint32_t channel = 0;  // 0 = none yet
    bool may_credit = true;
    bool answered = false;  // the server has said OPEN, SUSPENDED or CLOSED
    uint32_t guests_told = 0;
    uint32_t waiting_told = 0;
    int64_t reopen_at = INT64_MAX;
    int64_t suspended_since = INT64_MAX;
    int64_t promised_since = 0;  // read only while something is promised
    v1::ChannelState state;
  };

  void OpenLane(size_t buffer);
  void Reopen(int64_t now);
  absl::Status Accept(const ServerMessageView& message, std::vector<size_t>* brought);
  void ApplyState(const v1::ChannelState& state);
  void Refuse(absl::Status why);
  absl::optional<size_t> BufferOf(uint32_t channel) const;
  bool CanSend() const;
  bool RaiseLimit(size_t buffer);
  bool OwesAck(size_t buffer) const;
  void SendCredit(absl::FunctionRef<bool(size_t)> raised);
  void SendLines();

  const Context& context_;
  const std::string server_;
  const int64_t started_;
  const std::unique_ptr<EntropyStream> stream_;
  AttachLedger ledger_;
  std::vector<Lane> lanes_;  // as context_.buffers
  absl::Status refusal_;     // of a message; the stream is cancelled then
  absl::optional<v1::Drain> drain_;
  bool exhausted_ = false;
  bool leaving_ = false;
  bool half_closed_ = false;
  int64_t next_ack_at_ = 0;
  int64_t heard_at_;
};

}  // namespace entropyd
