// What agents say on their Attach streams, and what the server sends them, from the first event of
// a stream to its last. proto/README.md is the contract.
//
//   AttachProtocol attach(options, &access, &shares, &dispatcher, log);
//   std::unique_ptr<Session> session = attach.NewSession({identity, address});
//   session->SetTransport(...);
//   loop->Post(session.release(), Session::kStart);   // from here on the protocol owns it
//
// At all times this holds for the sum over all channels and pending Gets:
//
//   charged = received + unconfirmed + planned + given back + given to Get
//
// Errors: a peer that breaks the contract ends its own stream (SessionEnd), and nothing else.
//
// Thread safety: NewSession() is safe; all else belongs to the dispatcher's owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "proto/entropy.pb.h"
#include "server/attach/class_access.h"
#include "server/attach/deliveries.h"
#include "server/attach/identity_shares.h"
#include "server/attach/session.h"
#include "server/attach/session_registry.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/protocol.h"

namespace entropyd {

class AttachProtocol final : public Protocol, public Session::Owner {
 public:
  // Every session moves after 45 +- 5 minutes, so that the load of several servers evens out.
  static constexpr int64_t kRotateNanos = 45 * kMinuteNanos;
  static constexpr int64_t kRotateSpreadNanos = 5 * kMinuteNanos;
  static constexpr int64_t kDrainNanos = 30 * kSecondNanos;
  // A session moves at the latest this long before its peer's certificate expires, so that an agent
  // whose certificate was renewed meanwhile loses nothing; up to kRotateSpreadNanos earlier, as
  // many certificates may end together. Sessions that begin less than twice this time before the
  // expiry are not moved: their agent has no newer certificate.
  static constexpr int64_t kBeforeExpiryNanos = 2 * kMinuteNanos;
  // Heartbeats of one sweep, a millisecond of the dispatcher, and when the others follow. So
  // thousands of idle streams delay nobody's bytes.
  static constexpr int kHeartbeatsPerSweep = 500;
  static constexpr int64_t kMoreHeartbeatsNanos = 20 * kMillisecondNanos;
  // Sessions that are asked about again in one turn. Each has up to 64 channels, so this is a few
  // milliseconds at most.
  static constexpr size_t kRechecksPerTurn = 100;
  // A sweep is due each second. When none has come for so long, the process was stopped, and what
  // peers sent meanwhile may not have been read yet.
  static constexpr int64_t kStoppedNanos = 3 * kSecondNanos;

  struct Options {
    Session::Limits limits = {};
    uint32_t max_agents = 10'000;
    // Spreads the rotation over time. It is no secret.
    uint64_t jitter_seed = 0;
    // Whether the peer may attach by the rules of this moment. Empty = everybody may.
    std::function<absl::Status(const PeerCertificate&)> admission = nullptr;
    // How long the peer's certificate is valid from now on. Empty = for ever.
    std::function<int64_t(const PeerCertificate&)> lifetime_nanos = nullptr;
  };

  // Numbers since start.
  struct Totals {
    uint64_t attached = 0;
    uint64_t messages = 0;
    // Bytes without acknowledgement when their session ended.
    uint64_t lost_bytes = 0;
    uint64_t violations = 0;
    // Streams refused because max_agents were attached.
    uint64_t denied_capacity = 0;
    uint64_t denied_clone = 0;
    uint64_t replacements = 0;
    uint64_t stuck_writes = 0;
    // Streams ended because their agents sent nothing, not even heartbeats.
    uint64_t silent_agents = 0;
    // Streams that new rules ended.
    uint64_t shut_out = 0;
  };

  // All arguments outlive the protocol. The protocol adds itself to the dispatcher
  // (Dispatcher::Add).
  AttachProtocol(const Options& options, ClassAccess* access, IdentityShares* shares,
                 Dispatcher* dispatcher, Log* log);

  std::unique_ptr<Session> NewSession(Session::Peer peer);

  // New limits. A stream that runs keeps the session limits that its Welcome told, and its place.
  void SetLimits(const Session::Limits& limits, uint32_t max_agents);

  // Drains the sessions of `identity` and returns how many there are. An empty identity means all
  // sessions, and refuses new streams from now on.
  uint32_t Drain(absl::string_view identity, absl::string_view reason, int64_t now_nanos,
                 int64_t deadline_nanos);

  // The rules have changed: ends the streams whose peer may not attach any more, and closes the
  // channels of classes that the peer may not use any more. The others notice nothing.
  void BeginRecheck() { unchecked_ = registry_.sessions().size(); }
  // Does so for some of the sessions. True when others are left: other work may come between.
  bool RecheckSome(int64_t now_nanos);

  const Totals& totals() const { return totals_; }
  // Of all sessions since the start.
  const Deliveries& deliveries() const { return deliveries_; }
  const SessionRegistry& registry() const { return registry_; }
  bool draining() const { return draining_; }
  // Streams may attach again. Those that were told to leave do so all the same.
  void EndDrain() { draining_ = false; }

  // From Protocol.
  int64_t Sweep(int64_t now_nanos) override;
  void Flush(int64_t now_nanos) override;
  // From Session::Owner.
  void OnSession(Session* session, uint32_t events, int64_t now_nanos) override;
  void OnSomethingToSend(Session* session) override { flush_.push_back(session); }

 private:
  void StartSession(Session* session, int64_t now_nanos);
  // Why the stream may not begin; kNone = it may, and has its place.
  SessionEnd Admit(Session* session, int64_t now_nanos);
  // As options.admission. OK for a peer without a certificate.
  absl::Status Admission(const Session& session) const;
  // When a session that begins now moves.
  int64_t RotationTime(const Session& session, int64_t now_nanos) const;
  void RecheckSession(Session* session, int64_t now_nanos);
  void RecheckChannels(Session* session);
  // Starts the next read, or holds it while the identity has sent too many messages.
  void ReadNext(Session* session, int64_t now_nanos);
  void OnWriteEnd(Session* session, bool ok, int64_t now_nanos);
  void OnMessage(Session* session, int64_t now_nanos);
  absl::Status Handle(Session* session, const v1::AgentMessage& message, int64_t now_nanos);
  absl::Status HandleHello(Session* session, const v1::Hello& hello, int64_t now_nanos);
  absl::Status HandleOpen(Session* session, const v1::Open& open);
  absl::Status HandleCredit(Session* session, const v1::Credit& credit, int64_t now_nanos);
  void SweepSession(Session* session, int64_t now_nanos);
  // As long as this sweep has heartbeats left.
  void SweepHeartbeat(Session* session, int64_t now_nanos);
  void FlushSession(Session* session, int64_t now_nanos);
  void SettleParts(Session* session, int64_t now_nanos);
  void EndSession(Session* session, SessionEnd end, int64_t now_nanos);
  // Each writes a line, or counts for the next one.
  void TellDenied(const Session& session, absl::string_view reason, int64_t now_nanos);
  void TellViolation(const Session& session, const absl::Status& error, int64_t now_nanos);
  void TellDetached(const Session& session, const absl::Status& status, uint64_t lost,
                    int64_t now_nanos);
  static void FinishIfDue(Session* session);

  const Options options_;
  // Those of new streams. Apart from one another, because NewSession() may run meanwhile.
  std::atomic<uint64_t> max_credit_;
  std::atomic<uint32_t> max_payload_;
  uint32_t max_agents_;
  ClassAccess* const access_;
  IdentityShares* const shares_;
  Dispatcher* const dispatcher_;
  Log* const log_;
  LineLimit lines_;
  Deliveries deliveries_;
  SessionRegistry registry_;
  Totals totals_;
  bool draining_ = false;
  // Sessions before this place in the registry have not been asked about since the last change. Who
  // comes later is at the end; and when one leaves, the last takes its place, which was asked about
  // first.
  size_t unchecked_ = 0;
  int64_t swept_nanos_ = kNever;
  int heartbeats_left_ = 0;
  uint64_t next_session_id_ = 1;
  // Sessions that have a plan or news.
  std::vector<Session*> flush_;
  // Sessions whose next read waits for the sweep.
  std::vector<Session*> held_;
  // The parts of the message that is being built.
  std::vector<Writer::Part> parts_;
};

}  // namespace entropyd
