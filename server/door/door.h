// The place where connections come in. It accepts them, and gives them to gRPC, which speaks TLS.
// It counts the connections that it gave away, so that strangers cannot take every place
// (server/door/connection_table.h).
//
//   auto door = *Door::Open({.address = "[::]:7743", .limits = limits}, clock, log, metrics);
//   door->Turn([](UniqueFd connection, Door::Id id) { ... }, patience);   // DoorThread does so
//   door->Vouch(id, identity, holds);                  // in the handshake
//   if (door->has_strangers()) status = door->Introduce(peer, identity);   // at each call
//   door->Recheck();                                   // the rules have changed
//   door->EndShutOut();                                // twice a second
//
// Each connection has a number, known to its receiver and during the handshake. A call knows only
// the address of its peer. Several connections may have the same address: a host may reach two
// addresses of this host from one port, and ports are used again. So a call counts for all open
// connections of that address on which its identity has shown itself. Mostly there is one.
//
// No error ends it. Without a descriptor or memory for a connection it asks a stranger to give way,
// and tries again a moment later; the connection waits in the kernel's queue.
//
// Errors: of ListenOn().
//
// Thread safety: Turn() belongs to one thread, on which `receive` runs; all else is safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "base/process/listen_socket.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/door/connection_table.h"
#include "server/door/door_report.h"
#include "server/door/given_socket.h"
#include "server/door/knocks.h"

namespace entropyd {

class Door {
 public:
  struct Options {
    std::string address;
    ConnectionTable::Limits limits;
  };
  // Rising with each connection. 0 = a probe: nobody asks about it.
  using Id = ConnectionTable::Id;
  // Owns the connection from here on.
  using Receive = std::function<void(UniqueFd connection, Id id)>;

  // Connections accepted in one turn.
  static constexpr int kAcceptsPerTurn = 64;
  // Without a descriptor for a connection it does not try again before this time.
  static constexpr int64_t kRetryNanos = 100 * kMillisecondNanos;
  // How long a peer that must go has to read why its calls ended. Longer than an Attach stream's,
  // which is cancelled then.
  static constexpr int64_t kFarewellNanos = 700 * kMillisecondNanos;
  // Strangers asked to give way whose sockets are still open. They are above the limit of
  // connections for a moment, so there may not be many: nobody new comes in before some are gone.
  // When many leave without making room for others, this many leave at a time, and the others as
  // soon as some of these are gone; new connections need not wait for them.
  static constexpr size_t kMaxLeaving = 32;
  // Listens. Connections wait for a turn. Clock, log and metrics outlive the door.
  static absl::StatusOr<std::unique_ptr<Door>> Open(const Options& options, const Clock* clock,
                                                    Log* log, Metrics* metrics);

  int port() const { return listening_.port; }

  // Waits for at most `patience`, accepts, and looks whose sockets were closed. Nothing of this
  // happens unless somebody calls it again and again.
  void Turn(const Receive& receive, absl::Duration patience);
  // Ends the wait of a turn, or of the next one.
  void Wake();

  // A connection from within this process, to see that somebody answers (server/door/door_probe.h):
  // the client's end. Errors: as Knocks::Add().
  absl::StatusOr<UniqueFd> Knock();

  // New limits from now on. No connection ends for them.
  void SetLimits(const ConnectionTable::Limits& limits);

  // False when a call of Introduce() can have no effect. Costs next to nothing.
  bool has_strangers() const { return strangers_.load(std::memory_order_relaxed) != 0; }
  // A call of `identity` came from `peer`, as ServerContext::peer() writes it. Errors:
  // RESOURCE_EXHAUSTED when the identity has all connections that it may have; then this one stays
  // a stranger. Where several connections may have brought the call, each needs a place.
  absl::Status Introduce(absl::string_view peer, absl::string_view identity);
  // A call of `identity` from `peer` was refused, because its certificate is worth nothing for it;
  // "" = it names nobody. A stranger that is refused again and again has to leave: a call costs
  // memory before anybody is asked about it.
  void Denied(absl::string_view peer, absl::string_view identity);
  // A call from `peer` was refused, because `identity` makes too many. One that goes on has to
  // leave.
  void Exceeded(absl::string_view peer, absl::string_view identity);

  // Somebody vouches for the connection: its peer is `identity`, and `holds` says whether that
  // still holds. It is called without locks held. Has no effect on one that is gone.
  void Vouch(Id id, absl::string_view identity, std::function<bool()> holds);
  // Asks each `holds`. If one says no, its connection ends kFarewellNanos later, unless it holds
  // again when this is called before then. REQUIRES: one caller at a time.
  void Recheck();
  // Ends the connections whose time has come, kMaxLeaving at a time; the thread ends the others.
  void EndShutOut();

 private:
  struct Given {
    GivenSocket socket;
    std::string peer;
    // Whom somebody vouches for; "" = nobody has yet.
    std::string identity = {};
    std::function<bool()> holds = nullptr;
    // When it has to end; kNever = it may stay.
    int64_t end_nanos = kNever;
  };

  Door(const Options& options, ListenSockets listening, UniqueFd wake, UniqueFd spare,
       const Clock* clock, Log* log, Metrics* metrics);
  // False when no more comes, or no more may come now.
  bool AcceptOne(int listener, const Receive& receive);
  bool Waits(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The connections that may have brought a call, of those that were not asked to leave, the newest
  // first: an older one may be closed already. With "" those that have no identity yet.
  std::vector<Id> Find(absl::string_view peer_uri, absl::string_view identity) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For any thread: the report hears of it at the next turn.
  void Expel(Id id, Full why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AskToLeave(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveWay(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False when so many leave already that another one has to be expelled later.
  bool MayExpel() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ExpelShutOut(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoDescriptor(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Sweep(int64_t now_nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetPeer(Id id, const std::string& peer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ListenSockets listening_;
  const UniqueFd wake_;
  const UniqueFd spare_;  // for GivenSocket::Shutdown
  const Clock* const clock_;
  DoorReport report_;  // of the thread that takes turns
  Knocks knocks_;
  std::atomic<size_t> strangers_{0};

  absl::Mutex mutex_;
  ConnectionTable table_ ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Id, Given> given_ ABSL_GUARDED_BY(mutex_);
  // Those that were not asked to leave, by the name of their peer.
  absl::flat_hash_map<std::string, std::vector<Id>> by_peer_ ABSL_GUARDED_BY(mutex_);
  // Had to leave, and the report does not know yet.
  std::vector<std::pair<Full, std::string>> expelled_ ABSL_GUARDED_BY(mutex_);
  // Had to end at the end_nanos of each, when they were asked about; some may stay again.
  std::vector<Id> shut_out_ ABSL_GUARDED_BY(mutex_);
  // Were asked to leave.
  std::set<Id> leaving_ ABSL_GUARDED_BY(mutex_);
  // Those among them that gave their place, or their descriptor, to somebody.
  std::set<Id> giving_way_ ABSL_GUARDED_BY(mutex_);
  // Some have to leave for whom kMaxLeaving left no room.
  bool more_to_expel_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t retry_nanos_ ABSL_GUARDED_BY(mutex_) = 0;
  // There was no place for a new connection. Those that were closed may have some.
  bool crowded_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t sweep_nanos_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace entropyd
