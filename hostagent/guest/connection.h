// One connection of a guest: an EgdSession and a Primer between a PeerSocket and the connection's
// QueuePlace.
//
// It reads at once, because a QEMU whose writes stall freezes its guest. It stops reading only when
// too many commands are pending (pending_room.h). Then the rest stays in the socket until replies
// have left. It delivers what the class's FairQueue gives it, ordinarily with one write per pass.
// The bytes come from a staging area that all connections share and that is wiped after each write.
// Only what a full socket did not take stays behind, in locked memory of this connection's own.
// Until the socket has taken that, the connection gets nothing more.
//
//   Connection connection({.id = 7, .endpoint = 0}, std::move(socket), &host, served_class);
//   if (absl::Status status = connection.Start(); !status.ok()) return status;
//
// How a connection ends:
//   peer closed, or an error          what is owed is dropped
//   peer shut down its sending side   what is owed is still delivered; closes when it was taken
//   unknown command                   answers nothing more; logs and counts
//
// Errors: of the loop's watch, from Start() and Resume().
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/telemetry/line_limit.h"
#include "base/telemetry/log.h"
#include "hostagent/endpoint/peer.h"
#include "hostagent/guest/connection_totals.h"
#include "hostagent/guest/egd_session.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/guest/guest_key.h"
#include "hostagent/guest/guest_totals.h"
#include "hostagent/guest/guests.h"
#include "hostagent/guest/half_close.h"
#include "hostagent/guest/identification.h"
#include "hostagent/guest/peer_socket.h"
#include "hostagent/guest/pending_budget.h"
#include "hostagent/guest/pending_room.h"
#include "hostagent/guest/primer.h"
#include "hostagent/guest/queue_place.h"
#include "hostagent/identity/guest_identity.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class Connection;

// What all connections of an agent share. Outlives them.
struct ConnectionHost {
  EventLoop* loop = nullptr;
  SecretArena* arena = nullptr;
  Log* log = nullptr;
  Guests* guests = nullptr;
  PendingBudget pending;
  // Of lines that guests can cause.
  LineLimit lines;
  // Secret; wiped after each use.
  absl::Span<uint8_t> staging;
  // Scratch for one read.
  absl::Span<uint8_t> input;
  // Scratch: describes what is in `staging`.
  std::vector<StagedReply>* replies = nullptr;
  // The connection has left its class and its socket is closed. Destroy it after the turn.
  std::function<void(Connection*)> closed;
  // Nobody has told in time who the guest is. The connection is still held.
  std::function<void(Connection*)> unidentified;
};

class Connection final : public EventLoop::Handler, public FairQueue::Member {
 public:
  // The most that one write stages: as much as a socket's default buffer takes without blocking,
  // and small enough to stay in the cache.
  static constexpr size_t kStagingBytes = 16 * 1024;
  // The most that one read takes.
  static constexpr size_t kInputBytes = 16 * 1024;
  // One read may take this much even when the turn's input is used up: more than a guest sends that
  // waits for its replies.
  static constexpr size_t kMinInputBytes = 256;

  struct Options {
    uint64_t id = 0;
    // Where it came in (Endpoints::Id).
    uint64_t endpoint = 0;
    bool prime = false;
    Peer peer;
    // It may be another process that has accepted it.
    int64_t connected_at_nanos = 0;
  };

  // Host and class outlive it.
  Connection(Options options, UniqueFd socket, ConnectionHost* host, ServedClass* served_class);
  ~Connection();

  // The longest hold: then ConnectionHost::unidentified is called.
  static constexpr int64_t kHoldNanos = 200 * kMillisecondNanos;
  // Until somebody has told who the guest is, the connection is read from and gets nothing, and its
  // commands count nowhere. The time begins again for one that is held already. REQUIRES: that, or
  // before Start().
  void Hold();
  // Ends the hold. Does nothing to a connection that is not held.
  void Release();

  // How long a 0x01 waits for the first bytes of an empty buffer: a round trip to the server and a
  // little more. "Non-blocking" means not to wait for entropy, and a class that nobody has used for
  // long does not lack entropy. Postfix gives up on a server that answers with nothing.
  static constexpr int64_t kFirstBytesNanos = 200 * kMillisecondNanos;

  // Sets who the guest is from now on; the connection then belongs to that guest's share. This is
  // true of the process that started at `start_ticks`; 0 = that process is gone. REQUIRES: not
  // within a pass of FairQueue.
  void Identify(GuestIdentity identity, uint64_t start_ticks);
  const Identification& who() const { return who_; }
  GuestKey guest() const { return GuestKey::Of(who_.identity(), options_.peer); }
  // The key of its figures, with its present identity and class.
  GuestAccounts::Key account() const;

  // Moves to another class, with all that it has asked for. REQUIRES: not within a pass of
  // FairQueue.
  void MoveTo(ServedClass* served_class);
  ServedClass* served_class() const { return place_.served_class(); }

  // Joins its class and reads what has come already, so that a client that speaks first is never
  // primed. May close it. Errors: of the watch; then destroy it.
  absl::Status Start();
  void Close(absl::string_view reason);

  // For a handover. Saves all of it but entropy: what a full socket refused crosses as a number.
  // The guest stays as it is.
  void Save(handover::v1::Connection* saved) const;
  // Replaces Start() after a handover. Reads and writes nothing before the loop turns. Errors:
  // INVALID_ARGUMENT (the saved state is impossible); of the watch; then destroy it.
  absl::Status Resume(const handover::v1::Connection& saved);

  // There are replies that the peer has not taken yet and will want: a reason to wait before an
  // exit.
  bool undelivered() const;

  const Options& options() const { return options_; }
  const EgdSession& session() const { return session_; }
  const PeerSocket& socket() const { return socket_; }

  // Of the whole connection.
  GuestTotals totals() const { return totals_.All(so_far()); }
  // Since Settle(): of its present class and name.
  GuestTotals totals_here() const { return totals_.Here(so_far()); }
  // The connection is about to have another class or name.
  void Settle() { totals_.Settle(so_far()); }
  // Call it about once a second: measures the bytes per second of the last few seconds.
  void MeasureRate(double seconds) {
    totals_.MeasureRate(totals_.primed() + session_.taken(), seconds);
  }
  double rate() const { return totals_.rate(); }

 private:
  // --- what the loop and the queue call, and nobody else ---
  void OnEvents(uint32_t events) override;
  uint64_t Want() override;
  uint32_t Plan(uint32_t bytes) override;
  FairQueue::After Deliver() override;

  absl::Status Join(const handover::v1::Connection& saved);
  void TakePlace(absl::optional<int64_t> nano_tokens);
  void LeavePlace();
  void OnReadable(uint32_t events);
  void OnWritable();
  void BoundHalfClose();
  void WatchAnew() { socket_.Watch(/*reads=*/!half_close_.input_over()); }
  void OnInput(absl::Span<const uint8_t> bytes);
  EgdSession::Input TakeCommands(absl::Span<const uint8_t> bytes);
  void LeaveUnread();
  // 0, or how many events of this kind and guest a line of the log stands for now.
  LineCount ToTell(absl::string_view what);
  size_t Stage();
  bool AwaitsFirstBytes() const;
  bool Write(absl::Span<uint8_t> staged);
  void SchedulePrimeCheck();
  void CheckPrime();
  void LookAtEnd();
  bool held() const { return who_.held(); }
  ClassCounters* counters() const { return served_class()->counters(); }
  ConnectionTotals::SoFar so_far() const;
  size_t TakeFromBuffer(absl::Span<uint8_t> out);

  const Options options_;
  ConnectionHost* const host_;
  PeerSocket socket_;
  QueuePlace place_;
  Timer hold_timer_;
  Timer first_bytes_timer_;
  // Looks whether the peer has read it all, to push more.
  Timer prime_timer_;
  // Looks whether the peer has read it all, to close it.
  Timer end_timer_;
  Identification who_;
  EgdSession session_;
  PendingRoom pending_;
  Primer primer_;
  ConnectionTotals totals_;
  // A pass offered more than the plan could take.
  bool plan_full_ = false;
  HalfClose half_close_;
};

}  // namespace entropyd
