// The server's end of one Attach stream as a state machine: what a peer may say, what it is owed,
// what has been sent. proto/README.md is the contract.
//
//   NEW --Hello--> READY --Drain--> DRAINING --> DONE
//
// A Session does no I/O, keeps no time of its own and knows neither trees nor pools: the dispatcher
// feeds it messages, joins its channels to the tree, plans grants into it (counts only) and asks it
// for the next message. Per idle session it costs a few hundred bytes: no buffer, no generator.
//
// Credit, all numbers counted from the start of the stream:
//
//   want = limit - sent - planned    unconfirmed = sent - received    received <= sent <= limit
//
// Thread safety: belongs to the dispatcher's owner, except `inbox`, which belongs to the transport
// between Transport::StartRead() and the event that answers it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/class_tree/class_tree.h"
#include "base/wire/attach_wire.h"
#include "proto/entropy.pb.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/outlet.h"

namespace entropyd {

class PendingGet;
class Session;
struct Leaf;

// Somebody who waits for bytes of a leaf class: a channel of a session, or a get (Get).
struct Demand {
  Session* session = nullptr;  // exactly one of the two is set
  PendingGet* get = nullptr;
  Leaf* leaf = nullptr;  // nullptr = not in the tree
  ClassTree::MemberId member = 0;
  bool parked = false;  // refused an offer; out of the tree's heaps until Unpark
  uint32_t guests = 0;
  uint32_t waiting_guests = 0;  // of them; what it weighs where guests weigh
};

struct Channel : Demand {
  uint32_t number = 0;
  v1::Phase phase = v1::PHASE_OPEN;
  uint64_t limit = 0;
  uint64_t received = 0;
  uint64_t sent = 0;
  uint32_t planned = 0;      // granted by the tree, not yet drawn
  bool state_due = false;    // the peer has not been told the newest state
  bool discard_due = false;  // and must wipe what it has
  absl::StatusCode close_code = absl::StatusCode::kOk;
  std::string name;  // POOL/CLASS as the peer wrote it
  std::string close_reason;

  uint64_t want() const { return limit - sent - planned; }
  uint64_t unconfirmed() const { return sent - received; }
};

class Session final : public MailNode {
 public:
  static constexpr uint32_t kVersion = 1;
  static constexpr uint32_t kMaxChannel = 64;
  static constexpr size_t kHostIdBytes = 16;
  // A weight, not a count to be trusted: no hypervisor runs more guests than this.
  static constexpr uint32_t kMaxGuests = 4096;
  // What may be planned for the next message while a write is outstanding. Without it a session
  // would get no more than what flows in at the moment a write ends, and how much of a scarce class
  // it gets would depend on how fast its peer's machine is. A session that has stalled holds so
  // much back from others, once.
  static constexpr uint32_t kMaxAhead = 64 * 1024;
  static constexpr int64_t kHelloTimeoutNanos = 10'000'000'000;
  // A write that the peer's window did not take for so long: it has stopped reading.
  static constexpr int64_t kWriteTimeoutNanos = 60'000'000'000;
  // How long the end of a session waits for its last write before it is cancelled.
  static constexpr int64_t kEndTimeoutNanos = 5'000'000'000;

  // What the transport posts.
  enum Event : uint32_t {
    kStart = 1 << 0,
    kRead = 1 << 1,     // `inbox` holds a message, or inbox_status says why not
    kReadEnd = 1 << 2,  // half-closed or broken: no message will follow
    kWritten = 1 << 3,
    kWriteFailed = 1 << 4,
    kCancelled = 1 << 5,
    kDead = 1 << 6,  // the transport's last word
  };

  enum class Phase { kNew, kReady, kDraining, kDone };

  struct Limits {
    uint64_t max_credit = 256 * 1024;          // of limit - received, per channel
    uint32_t max_payload = kAttachMaxPayload;  // bytes of grants per message
  };

  struct Peer {
    std::string identity;
    std::string address;
  };

  Session(Peer peer, const Limits& limits);
  ~Session();

  // Called once before kStart is posted. The transport may hold a pointer back until kDead.
  void SetTransport(std::unique_ptr<Transport> transport) { transport_ = std::move(transport); }
  Transport* transport() const { return transport_.get(); }

  // Messages of the peer. Any error is a violation that ends the stream with that status:
  // INVALID_ARGUMENT, OUT_OF_RANGE (credit), FAILED_PRECONDITION (version).
  absl::Status Hello(const v1::Hello& hello, uint64_t session_id);
  absl::StatusOr<Channel*> Open(const v1::Open& open);  // OPEN, not yet in the tree
  // nullptr: the channel is closed here, and the line crossed the CLOSED on the wire.
  absl::StatusOr<Channel*> Credit(const v1::Line& line);
  absl::StatusOr<Channel*> Close(const v1::Close& close);
  // What the message would be answered with if it were of the wrong moment; OK = go on.
  absl::Status CheckOrder(const v1::AgentMessage& message) const;

  // The server's side of a channel's life. A closed channel stays to answer late lines.
  void CloseChannel(Channel* channel, absl::StatusCode code, absl::string_view reason);
  void BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos);

  // Takes up to `bytes` into the plan; 0 = the message is full, or a write is outstanding and
  // `max_ahead` bytes are planned already. REQUIRES: channel->phase is OPEN.
  uint32_t Plan(Channel* channel, uint32_t bytes, uint32_t max_ahead);
  // Takes the channel's bytes out of the plan again; returns how many.
  uint32_t Unplan(Channel* channel);
  uint32_t planned() const { return planned_; }
  void ClearPlan() { planned_ = 0; }

  // Whether a message must go out even without grants.
  bool HasNews() const { return welcome_due_ || drain_due_ || states_due_ > 0; }
  // seq, welcome, drain. The states are added by the dispatcher, which knows the pools.
  v1::ServerMessage NextHead(int64_t now_nanos) const;
  void StateDue(Channel* channel, bool discard);
  void StateTold(Channel* channel);
  // The message was handed to the transport with `payload` bytes of grants.
  void Sent(uint32_t payload, int64_t now_nanos);
  // Returns the payload bytes of the write that has ended.
  uint32_t WriteEnded();
  bool write_outstanding() const { return write_outstanding_; }

  // Why time is up: DEADLINE_EXCEEDED (no Hello), UNAVAILABLE (drained); OK = it is not.
  absl::Status Expired(int64_t now_nanos) const;
  // The peer has stopped reading (or does not take the last message of an ended session).
  bool Stuck(int64_t now_nanos) const;

  // The first end counts. Finish() is due when no write is outstanding.
  void End(const absl::Status& status, int64_t now_nanos);
  bool ended() const { return phase_ == Phase::kDone; }
  const absl::Status& end_status() const { return end_status_; }
  bool finish_due() const { return ended() && !finished_ && !write_outstanding_; }
  void Finished() { finished_ = true; }
  bool finished() const { return finished_; }

  Phase phase() const { return phase_; }
  const Peer& peer() const { return peer_; }
  const std::string& host_id() const { return host_id_; }  // 16 bytes; empty before Hello
  uint64_t id() const { return id_; }
  int64_t started_nanos() const { return started_nanos_; }
  void SetStarted(int64_t now_nanos) { started_nanos_ = now_nanos; }
  int64_t drain_deadline_nanos() const { return drain_deadline_nanos_; }
  const std::vector<std::unique_ptr<Channel>>& channels() const { return channels_; }
  uint32_t guests() const;
  uint64_t sent_bytes() const;
  uint64_t unconfirmed_bytes() const;

  // The transport's landing place for one message.
  v1::AgentMessage inbox;
  absl::Status inbox_status;

  // The dispatcher's own notes.
  bool reading = false;  // a StartRead() is unanswered
  bool flush_listed = false;
  bool capped = false;                 // waits for the in-flight cap
  size_t index = 0;                    // in the dispatcher's list of sessions
  int64_t rotate_nanos = 0;            // when to drain it to rebalance
  std::vector<int64_t> supersessions;  // when this host's stream was replaced lately

 private:
  Channel* Find(uint32_t number) const;  // nullptr = never opened

  const Peer peer_;
  const Limits limits_;
  std::unique_ptr<Transport> transport_;

  Phase phase_ = Phase::kNew;
  std::string host_id_;
  uint64_t id_ = 0;
  int64_t started_nanos_ = 0;
  std::vector<std::unique_ptr<Channel>> channels_;

  uint64_t next_seq_ = 1;
  bool welcome_due_ = false;
  bool drain_due_ = false;
  int states_due_ = 0;
  std::string drain_reason_;
  int64_t drain_deadline_nanos_ = 0;  // 0 = not draining

  uint32_t planned_ = 0;
  bool write_outstanding_ = false;
  uint32_t write_payload_ = 0;
  int64_t write_started_nanos_ = 0;

  absl::Status end_status_;
  int64_t ended_nanos_ = 0;
  bool finished_ = false;
};

}  // namespace entropyd
