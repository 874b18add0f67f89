// The server's end of one Attach stream, as a state machine: what the peer may say, what the server
// owes it, and what it has sent. proto/README.md is the contract.
//
//   NEW --Hello--> READY --Drain--> DRAINING --> DONE
//
// A Session does no I/O and keeps no time of its own. AttachProtocol, its owner, feeds it messages
// and asks it for the next one. The class tree plans bytes into its channels (counts only). An idle
// session costs a few hundred bytes: it has no buffer and no generator.
//
//   session->Hello(hello, id);
//   Channel* channel = session->Open(open).value();
//   session->Join(channel, leaf);
//   session->Credit(line);                        // then channel->Want(channel->want(), now)
//   … passes plan into the channel; the owner hears OnSomethingToSend() and flushes …
//
// Errors: a wrong message of the peer is a status, which the owner ends the stream with.
//
// Thread safety: belongs to the dispatcher's owner, except `inbox` and `inbox_status`, which belong
// to the transport between Transport::StartRead() and the event that answers it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/wire/attach_limits.h"
#include "proto/entropy.pb.h"
#include "server/attach/channel.h"
#include "server/attach/deliveries.h"
#include "server/attach/identity_shares.h"
#include "server/attach/reasons.h"
#include "server/attach/transport.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/mailbox.h"

namespace entropyd {

class PeerCertificate;  // what the gate knows a peer by; opaque in this room

class Session final : public MailNode, public ByteBudget::Waiter {
 public:
  // Whoever looks after sessions.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnSession(Session* session, uint32_t events, int64_t now_nanos) = 0;
    // The session has a plan or news, and no write is outstanding. Called once until StartFlush().
    virtual void OnSomethingToSend(Session* session) = 0;
  };

  // So many bytes may be planned for the next message while a write is outstanding. Without this a
  // session would get only what flows in at the moment when a write ends. Its share of a scarce
  // class would then depend on the speed of its peer's machine. A session that has stalled keeps at
  // most so many bytes from others.
  static constexpr uint32_t kMaxAhead = 64 * 1024;
  // A peer that does not take a write for so long has stopped reading.
  static constexpr int64_t kWriteTimeoutNanos = kMinuteNanos;
  // A peer that promised heartbeats and sends nothing for so long is gone: three of an agent's
  // intervals. For one that promised longer ones it is three of those.
  static constexpr int64_t kSilenceTimeoutNanos = 3 * kAgentHeartbeatNanos;
  // A session that has sent nothing for so long owes a heartbeat. The sweep notices it within a
  // second, so kServerHeartbeatNanos is kept.
  static constexpr int64_t kHeartbeatAfterNanos = kServerHeartbeatNanos - kSecondNanos;
  // How long the end of a session waits for its last write before it is cancelled.
  static constexpr int64_t kEndTimeoutNanos = 5 * kSecondNanos;
  // The same, of a peer that is shut out: it must be gone within two seconds of the new rules, and
  // these may have been noticed half a second late.
  static constexpr int64_t kShutOutTimeoutNanos = 500 * kMillisecondNanos;

  // What the transport posts.
  enum Event : uint32_t {
    kStart = 1 << 0,
    // `inbox` holds a message, or inbox_status says why not.
    kRead = 1 << 1,
    // Half-closed or broken: no message will follow.
    kReadEnd = 1 << 2,
    kWritten = 1 << 3,
    kWriteFailed = 1 << 4,
    kCancelled = 1 << 5,
    // The transport's last word.
    kDead = 1 << 6,
  };

  enum class Phase { kNew, kReady, kDraining, kDone };

  struct Limits {
    // The most of limit - received, per channel.
    uint64_t max_credit = kAttachDefaultCredit;
    // Bytes of grants per message.
    uint32_t max_payload = kAttachMaxPayload;
  };

  struct Peer {
    std::string identity;
    std::string address;
    std::shared_ptr<const PeerCertificate> certificate = nullptr;
  };

  // The budgets, the deliveries of all sessions, and the owner outlive it.
  Session(Peer peer, const Limits& limits, PayloadBudgets* budgets, Deliveries* all, Owner* owner);
  ~Session();

  void OnMail(uint32_t events, int64_t now_nanos) override;

  // Called once before kStart is posted. The transport may hold a pointer back until kDead.
  void SetTransport(std::unique_ptr<Transport> transport) { transport_ = std::move(transport); }
  Transport* transport() const { return transport_.get(); }

  // The session begins now. It moves to another server at `rotate_nanos`, so that load evens out.
  void Start(int64_t now_nanos, int64_t rotate_nanos);
  // The place of its identity that it takes until it is destroyed. Its bytes count there. REQUIRES:
  // nothing is planned yet.
  void Hold(IdentityShares::Place place);
  // Without one the session was denied.
  const IdentityShares::Place& place() const { return place_; }

  // The peer has said something, or was not listened to until now.
  void Heard(int64_t now_nanos) { heard_nanos_ = now_nanos; }

  // Messages of the peer. Any error is a violation that ends the stream with that status:
  // INVALID_ARGUMENT, OUT_OF_RANGE (credit), FAILED_PRECONDITION (version).
  absl::Status Hello(const v1::Hello& hello, uint64_t session_id);
  // The new channel waits in no leaf yet. It is closed already when another one of this stream has
  // the class.
  absl::StatusOr<Channel*> Open(const v1::Open& open);
  // Returns nullptr when the channel is closed here: the line crossed the CLOSED message on the
  // wire.
  absl::StatusOr<Channel*> Credit(const v1::Line& line);
  // Closes the channel and gives its plan back. A second Close of the same channel changes nothing.
  absl::Status Close(const v1::Close& close);
  // Returns the violation when the message comes at a wrong moment; OK = go on.
  absl::Status CheckOrder(const v1::AgentMessage& message) const;

  // Join() puts the channel into the leaf, in the state of its pool. Where guests weigh, at most
  // `max_weight` of those that wait count: the number is the peer's word. Refuse() closes it for
  // good; a closed channel stays so that it can answer late lines.
  void Join(Channel* channel, Leaf* leaf, uint32_t max_weight = kMaxGuests);
  void Refuse(Channel* channel, ClassRefusal refusal);
  // The rules have changed: what Join() was told holds no more. Expel() gives the plan back.
  void Reweigh(Channel* channel, uint32_t max_weight);
  void Expel(Channel* channel, ClassRefusal refusal);
  void StateDue(Channel* channel, bool discard);
  void BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos);

  // Takes up to `bytes` into the plan and returns how many. It takes 0 when the message is full;
  // when a write is outstanding and `max_ahead` bytes are planned already; or when the budget, or
  // its identity's share of it, is full, and then OnRoom() follows.
  uint32_t Plan(Channel* channel, uint32_t bytes, uint32_t max_ahead);
  uint64_t planned() const { return planned_.used(); }

  // Messages. A flush is StartFlush(), NextHead(), then for each channel with a plan Drawn() or
  // Refused(), then Sent() if there is something to send.
  void StartFlush() { announced_ = false; }
  // Whether a message must go out even without grants.
  bool HasNews() const { return welcome_due_ || drain_due_ || states_due_ > 0 || heartbeat_due_; }
  // seq, welcome, states, drain. A heartbeat bears the seq only.
  v1::ServerMessage NextHead(int64_t now_nanos) const;
  // The message now holds the channel's planned bytes. Returns how many these are.
  uint32_t Drawn(Channel* channel);
  // The pool gave nothing: the channel loses its plan and keeps its demand.
  void Refused(Channel* channel, int64_t now_nanos);
  // The transport has taken the message.
  void Sent(int64_t now_nanos);
  void WriteEnded(int64_t now_nanos);
  bool write_outstanding() const { return write_outstanding_; }
  // Offers bytes again to all channels that were parked because the session could take no more.
  void Unpark(int64_t now_nanos);

  // Says why the session's time is up; kNone = it is not.
  SessionEnd Expired(int64_t now_nanos) const;
  bool RotationDue(int64_t now_nanos) const;
  // Nothing was sent for long, and nothing else is to be sent now.
  bool HeartbeatDue(int64_t now_nanos) const;
  void OweHeartbeat();
  // True when the peer has stopped reading, or does not take the last message of an ended session.
  bool Stuck(int64_t now_nanos) const;
  // When an ended session is stuck.
  int64_t end_deadline_nanos() const;

  // Ends the session: all channels leave, and give back what was planned. Only the first end
  // counts.
  void End(SessionEnd end, int64_t now_nanos);
  bool ended() const { return phase_ == Phase::kDone; }
  // Returns true once: when the session has ended and no write is outstanding any more.
  bool TakeFinish();
  const SessionEnd& end() const { return end_; }

  Phase phase() const { return phase_; }
  const Peer& peer() const { return peer_; }
  // 16 bytes; empty before Hello.
  const std::string& host_id() const { return host_id_; }
  uint64_t id() const { return id_; }
  int64_t started_nanos() const { return started_nanos_; }
  int64_t drain_deadline_nanos() const { return drain_deadline_nanos_; }
  const std::vector<std::unique_ptr<Channel>>& channels() const { return channels_; }
  uint32_t guests() const;
  // Of all channels.
  const Deliveries& deliveries() const { return deliveries_; }

  // The transport's landing place for one message.
  v1::AgentMessage inbox;
  absl::Status inbox_status;

 private:
  // From ByteBudget::Waiter.
  void OnRoom(int64_t now_nanos) override;
  // Returns nullptr when the channel was never opened.
  Channel* Find(uint32_t number) const;
  // Returns nullptr when no channel has the class now.
  Channel* FindOpen(absl::string_view pool_class) const;
  // True when there is no room for a grant, in all or in the share of its identity. Then OnRoom()
  // follows, or the end of a write.
  bool Full();
  // Tells the owner when there is something to send and the session can send it now.
  void Announce();

  const Peer peer_;
  const Limits limits_;
  PayloadBudgets* const budgets_;
  Owner* const owner_;
  std::unique_ptr<Transport> transport_;
  // Before all that counts in it.
  IdentityShares::Place place_;

  Phase phase_ = Phase::kNew;
  std::string host_id_;
  uint64_t id_ = 0;
  int64_t started_nanos_ = 0;
  int64_t rotate_nanos_ = kNever;
  int64_t heard_nanos_ = 0;
  // How long the peer may be silent; kNever = it has promised no heartbeats.
  int64_t patience_nanos_ = kNever;
  // What is planned for all channels together.
  ByteBudget planned_;
  Deliveries deliveries_;
  std::vector<std::unique_ptr<Channel>> channels_;

  uint64_t next_seq_ = 1;
  bool welcome_due_ = false;
  bool drain_due_ = false;
  bool heartbeat_due_ = false;
  int states_due_ = 0;
  std::string drain_reason_;
  // 0 = not draining.
  int64_t drain_deadline_nanos_ = 0;

  bool announced_ = false;
  bool write_outstanding_ = false;
  // The payload of the write that is outstanding.
  ByteBudget in_flight_;
  ByteBudget::Reservation written_;
  // When the last message was sent.
  int64_t write_started_nanos_ = 0;

  SessionEnd end_;
  int64_t ended_nanos_ = 0;
  bool finished_ = false;
};

}  // namespace entropyd
