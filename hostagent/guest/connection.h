// One connection of a guest: the socket around an EgdSession and a Primer.
//
// Reads whatever comes, always (a QEMU whose writes stall freezes its guest), and delivers what the
// class's FairQueue allots to it: one write per pass in the ordinary case, from a staging area that
// all guests share and that is cleansed after each write. Only what a full socket did not take
// stays behind, in locked memory of this guest's own, and until it is gone the guest gets nothing
// more.
//
// How a connection ends:
//   peer closed, or an error          what is owed is dropped
//   peer shut down its sending side   what is owed is still delivered; closed when it was taken
//   unknown command                   nothing more is answered; logged, counted
//   too many pending commands         likewise
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
#include "base/process/log.h"
#include "base/process/nanos.h"
#include "hostagent/endpoint/peer.h"
#include "hostagent/guest/egd_session.h"
#include "hostagent/guest/guest_accounts.h"
#include "hostagent/guest/guest_totals.h"
#include "hostagent/guest/primer.h"
#include "hostagent/identity/guest_identity.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/timer.h"
#include "hostagent/serving/fair_queue.h"
#include "hostagent/serving/rate_meter.h"
#include "hostagent/serving/served_class.h"

namespace entropyd {

class Connection;

// What all connections of an agent share. Outlives them.
struct ConnectionHost {
  EventLoop* loop = nullptr;
  SecretArena* arena = nullptr;
  Log* log = nullptr;
  absl::Span<uint8_t> staging;                        // secret; cleansed after each use
  absl::Span<uint8_t> input;                          // scratch for one read
  std::vector<EgdSession::Reply>* replies = nullptr;  // scratch: what is in `staging`
  // It has left its class and its socket is closed; destroy it after the batch.
  std::function<void(Connection*)> closed;
  // Nobody has told in time who it is; it is still held.
  std::function<void(Connection*)> unidentified;
};

class Connection final : public EventLoop::Handler, public FairQueue::Member {
 public:
  // Staged in one write: as much as a socket's default buffer takes without blocking, and small
  // enough to stay in the cache.
  static constexpr size_t kStagingBytes = 16 * 1024;
  static constexpr size_t kInputBytes = 16 * 1024;

  struct Options {
    uint64_t id = 0;
    uint64_t endpoint = 0;  // it came in there (Endpoints::Id)
    bool prime = false;
    Peer peer;
    int64_t age_nanos = 0;  // of the connection, when another process accepted it
  };

  // Host and class outlive it.
  Connection(Options options, UniqueFd socket, ConnectionHost* host, ServedClass* served_class);
  ~Connection();

  // Until somebody has told who the guest is, it is read from and gets nothing, and its commands
  // count nowhere; for kHoldNanos at most, then ConnectionHost::unidentified is called. Before
  // Start().
  static constexpr int64_t kHoldNanos = 200 * kMillisecondNanos;
  void Hold();
  void Release();  // serves it; one that is not held: nothing
  bool held() const { return held_; }

  // How long a 0x01 waits for the first bytes of an empty buffer: a round trip to the server and
  // some. "Non-blocking" is not to wait for entropy, and a class that nobody has used for long is
  // not without; Postfix gives up on a server that says so.
  static constexpr int64_t kFirstBytesNanos = 200 * kMillisecondNanos;

  // What the guest is known as from now on, true of the process that started at `start_ticks`.
  void Identify(GuestIdentity identity, uint64_t start_ticks);
  const GuestIdentity& identity() const { return identity_; }
  uint64_t start_ticks() const { return start_ticks_; }
  // What its figures are kept under, as it is known and served now.
  GuestAccounts::Key account() const;

  // To another class, with all that it has asked for. REQUIRES: not within a pass of FairQueue.
  void MoveTo(ServedClass* served_class);
  ServedClass* served_class() const { return class_; }

  // Joins its class and reads what has come already, so that a client that speaks first is never
  // primed. May close it. Errors: of the watch; then it is to be destroyed.
  absl::Status Start();
  void Close(absl::string_view reason);

  // For a handover: all of it but entropy; what a full socket refused crosses as a number. The
  // guest stays as it is. Resume() stands in the place of Start(), reads and writes nothing before
  // the loop turns. Errors: INVALID_ARGUMENT (saved by nobody); of the watch; then it is to be
  // destroyed.
  void Save(handover::v1::Connection* saved) const;
  absl::Status Resume(const handover::v1::Connection& saved);
  int fd() const { return socket_.get(); }

  void OnEvents(uint32_t events) override;
  uint64_t Want() override;
  uint32_t Plan(uint32_t bytes) override;
  FairQueue::After Deliver() override;

  // Replies that the peer has not taken yet and will want to: a reason to wait before an exit.
  bool undelivered() const;
  bool closed() const { return !socket_; }

  const Options& options() const { return options_; }
  const EgdSession& session() const { return session_; }
  int64_t connected_at_nanos() const { return connected_at_; }
  uint64_t primed_bytes() const { return primed_; }
  uint64_t delivered_bytes() const { return primed_ + session_.taken(); }

  GuestTotals totals() const;       // of the connection
  GuestTotals totals_here() const;  // since Settle(): of its present class and name
  void Settle();                    // it is about to have another class or name
  // About once a second: the bytes per second that it got in the last few.
  void MeasureRate(double seconds) { rate_.Measure(delivered_bytes(), seconds); }
  double rate() const { return rate_.rate(); }

 private:
  // After a half-close, how long the last replies may stay unread; QEMU handles a hang-up before
  // unread data.
  static constexpr int64_t kLingerNanos = kSecondNanos;
  static constexpr int64_t kLingerCheckNanos = 10 * kMillisecondNanos;

  absl::Status Join(uint32_t events, const handover::v1::Connection& saved);
  void OnReadable(uint32_t events);
  void OnWritable();
  void UpdateInterest();
  void OnInput(absl::Span<const uint8_t> bytes);
  size_t Stage();
  bool AwaitsFirstBytes() const;
  bool Write(absl::Span<uint8_t> staged);
  // `sent`: bytes of the staging area before it, which did leave.
  bool KeepUnsent(absl::Span<const uint8_t> unsent, size_t sent);
  bool Drained() const;
  void SchedulePrimeCheck();
  void CheckPrime();
  void Linger();
  size_t TakeFromBuffer(absl::Span<uint8_t> out);

  const Options options_;
  UniqueFd socket_;
  ConnectionHost* const host_;
  ServedClass* class_;
  const int64_t connected_at_;

  FairQueue::Id member_ = 0;
  EventLoop::WatchId watch_ = 0;
  Timer hold_timer_;
  Timer first_bytes_timer_;
  Timer prime_timer_;   // looks whether the socket has drained, to push more,
  Timer linger_timer_;  // or to close it
  GuestIdentity identity_;
  uint64_t start_ticks_ = 0;
  bool held_ = false;
  EgdSession session_;
  Primer primer_;
  uint32_t prime_granted_ = 0;
  uint64_t primed_ = 0;
  WaitCounts waits_;
  int64_t throttled_nanos_ = 0;          // before it was a member of this queue
  std::unique_ptr<GuestTotals> before_;  // at the last Settle(); most never move
  RateMeter rate_;
  bool plan_full_ = false;   // a pass offered more than the plan could take
  bool input_over_ = false;  // the peer has shut down its sending side
  bool lingering_ = false;
  int64_t linger_until_ = 0;
  int64_t wrote_at_ = 0;
  SecretBytes unsent_;  // what a full socket did not take
  size_t unsent_at_ = 0;
  std::vector<EgdSession::Reply> unsent_replies_;  // the first may have left in part,
  uint32_t unsent_replies_sent_ = 0;               // so far before unsent_ began
};

}  // namespace entropyd
