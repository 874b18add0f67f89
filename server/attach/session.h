// The server's end of one Attach stream, as a state machine: what the peer may say, and what the
// server answers. proto/README.md is the contract.
//
//   NEW --Hello--> READY --Drain--> DRAINING --> DONE
//
// A Session does no I/O and keeps no time of its own. AttachProtocol, its owner, feeds it messages
// and asks it for the next one. What comes is in its Inbox, what is planned and written in its
// Outbox, what concerns one class in its Channels, and how long it stays in its Stay. The class
// tree plans bytes into the channels (counts only). An idle session costs a few hundred bytes: it
// has no buffer and no generator.
//
//   session->Hello(hello, id);
//   Channel* channel = session->Open(open).value();
//   channel->Join(leaf);
//   session->Credit(line);                        // then channel->Want(channel->want(), now)
//   … passes plan into the channel; the owner hears OnSomethingToSend() …
//   if (session->outbox()->StartMessage()) …      // session->TakeHead(now) begins the message
//
// Errors: a wrong message of the peer is a status, which the owner ends the stream with.
//
// Thread safety: belongs to the dispatcher's owner, except as server/attach/inbox.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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
#include "server/attach/inbox.h"
#include "server/attach/outbox.h"
#include "server/attach/reasons.h"
#include "server/attach/stay.h"
#include "server/attach/transport.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/mailbox.h"

namespace entropyd {

// What a certificate is worth (server/access/). This room keeps it for the gate, and never looks
// into it.
class PeerCertificate;

class Session final : public MailNode, private Outbox::Owner {
 public:
  // The object that looks after sessions.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnSession(Session* session, uint32_t events, int64_t now_nanos) = 0;
    // There is something in its outbox, and it may be sent. Called once until StartMessage().
    virtual void OnSomethingToSend(Session* session) = 0;
  };

  // How long the end of a session waits for its last write before it is cancelled.
  static constexpr int64_t kEndTimeoutNanos = 5 * kSecondNanos;
  // The same, of a peer that is shut out: it must be gone within two seconds of the new rules, and
  // these may have been noticed half a second late.
  static constexpr int64_t kShutOutTimeoutNanos = 500 * kMillisecondNanos;

  // What the transport posts.
  enum Event : uint32_t {
    kStart = 1 << 0,
    // The inbox was filled.
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

  // Called once before kStart is posted. The transport may hold a pointer back until kDead.
  void SetTransport(std::unique_ptr<Transport> transport) { transport_ = std::move(transport); }
  Transport* transport() const { return transport_.get(); }

  // The session begins now. It moves to another server at `move_nanos`, so that load evens out.
  void Start(int64_t now_nanos, int64_t move_nanos);
  // The place of its identity that it takes until it is destroyed. Its bytes count there. REQUIRES:
  // nothing is planned yet.
  void Hold(IdentityShares::Place place);
  // Without one the session was denied.
  const IdentityShares::Place& place() const { return place_; }

  Inbox* inbox() { return &inbox_; }

  // Messages of the peer. Any error is a violation that ends the stream with that status:
  // INVALID_ARGUMENT, OUT_OF_RANGE (credit), FAILED_PRECONDITION (version).
  absl::Status Hello(const v1::Hello& hello, uint64_t session_id);
  // The new channel waits in no leaf yet. It is closed already when another one of this stream has
  // the class.
  absl::StatusOr<Channel*> Open(const v1::Open& open);
  // Returns the channel, which may want more now; nullptr when it is closed.
  absl::StatusOr<Channel*> Credit(const v1::Line& line);
  absl::Status Close(const v1::Close& close);

  // Returns nullptr when the channel was never opened.
  Channel* Find(uint32_t number) const;

  // Asks the peer to leave. Has no effect when it has been asked to leave sooner.
  void BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos);

  Outbox* outbox() { return &outbox_; }
  // The head of the message that the outbox has begun: seq, welcome, states, drain. A heartbeat has
  // only the seq. Everything in the head counts as told. States that it has no room for stay due.
  v1::ServerMessage TakeHead(int64_t now_nanos);

  // Says why the session's time is up; kNone = it is not.
  SessionEnd Expired(int64_t now_nanos) const;
  // Ends the session: all channels leave, and give back what was planned. Only the first end
  // counts.
  void End(SessionEnd end, int64_t now_nanos);
  bool ended() const { return phase_ == Phase::kDone; }
  const SessionEnd& end() const { return end_; }

  Phase phase() const { return phase_; }
  const Peer& peer() const { return peer_; }
  // 16 bytes; empty before Hello.
  const std::string& host_id() const { return host_id_; }
  uint64_t id() const { return id_; }
  const Stay& stay() const { return stay_; }
  const std::vector<std::unique_ptr<Channel>>& channels() const { return channels_; }
  // Of all channels.
  const Deliveries& deliveries() const { return deliveries_; }

 private:
  // From MailNode.
  void OnMail(uint32_t events, int64_t now_nanos) override;
  // From Outbox::Owner.
  void OnSomethingToSend() override { owner_->OnSomethingToSend(this); }
  void OnRoom(int64_t now_nanos) override;
  // Tells as many states as the message has room for.
  void TellStates(v1::ServerMessage* head);
  // Returns nullptr when no channel has the class now.
  Channel* FindOpen(absl::string_view pool_class) const;

  const Peer peer_;
  const Limits limits_;
  Owner* const owner_;
  std::unique_ptr<Transport> transport_;
  // Before all that counts in it.
  IdentityShares::Place place_;

  Phase phase_ = Phase::kNew;
  std::string host_id_;
  uint64_t id_ = 0;
  Stay stay_;
  Inbox inbox_;

  // Before the channels, which count in them.
  Outbox outbox_;
  Deliveries deliveries_;
  std::vector<std::unique_ptr<Channel>> channels_;

  SessionEnd end_;
};

}  // namespace entropyd
