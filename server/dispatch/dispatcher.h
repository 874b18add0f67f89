// The one place that owns class trees, credit and plans. Its owner (see mailbox.h) calls Step():
//
//   absorb the mailbox -> pools' states -> timers -> Distribute per pool -> flush the plans
//
// and afterwards, no longer the owner, hands the outgoing messages to their outlets, so that
// encryption runs beside the next pass. DispatchLoop (dispatch_loop.h) does this on real threads;
// tests do it by hand with a manual clock.
//
// Distribute offers (member, bytes). A session takes them into its plan or parks: the message is
// full, a write is outstanding (of a `drbg` pool: and enough is planned ahead), or the payload in
// flight is at its cap. A parked member is returned by the write that ends. Flush gets the bytes
// and only then counts them as sent; what a pool refuses is forfeited: the tokens are gone, the
// demand stays. At all times, over all channels,
//
//   charged = received + unconfirmed + planned + forfeited
//
// Thread safety: mailbox().Post() and PoolsChanged() are safe; all else belongs to the owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/process/clock.h"
#include "base/process/log.h"
#include "server/attach/pending_get.h"
#include "server/attach/session.h"
#include "server/attach/session_registry.h"
#include "server/dispatch/class_table.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/writer.h"

namespace entropyd {

class Dispatcher;

// A function for the owner to run, once; deleted afterwards.
class Command final : public MailNode {
 public:
  using Run = std::function<void(Dispatcher& dispatcher, int64_t now_nanos)>;
  explicit Command(Run function) : MailNode(Kind::kCommand), run(std::move(function)) {}
  const Run run;
};

class Dispatcher {
 public:
  // A pass ends after so many grants or so much time, so that mail never waits longer.
  static constexpr uint32_t kMaxPassGrants = 4096;
  static constexpr int64_t kMaxPassNanos = 2'000'000;
  // The clock is looked at after so many grants: 256 take some 0.1 ms.
  static constexpr uint32_t kPassSliceGrants = 256;
  // Timers finer than this would cost more wake-ups than they are worth.
  static constexpr int64_t kTimerGridNanos = 1'000'000;
  // Deadlines of sessions and gets are multiples of seconds: one look at all of them a second
  // costs less than a timer for each.
  static constexpr int64_t kSweepNanos = 1'000'000'000;
  static constexpr int64_t kGetTimeoutNanos = 30'000'000'000;
  // Every session moves after 45 +- 5 minutes, so that the load of several servers evens out.
  static constexpr int64_t kRotateNanos = 45LL * 60 * 1'000'000'000;
  static constexpr int64_t kRotateSpreadNanos = 5LL * 60 * 1'000'000'000;
  static constexpr int64_t kDrainNanos = 30'000'000'000;

  enum class Access { kAttach, kGet };

  struct Options {
    Session::Limits limits = {};
    uint64_t max_in_flight = 64ull << 20;  // payload bytes written and not yet taken, all sessions
    uint32_t max_agents = 10'000;
    uint32_t max_draws = 1024;  // Gets that wait at the same time
    uint32_t max_draws_per_identity = 128;
    uint64_t jitter_seed = 0;  // spreads the rotation; no secret
    // OK, or PERMISSION_DENIED: may `identity` get from POOL/CLASS?
    std::function<absl::Status(absl::string_view identity, Access, absl::string_view pool_class)>
        allow = nullptr;
  };

  // Numbers since start, except in_flight and planned.
  struct Totals {
    uint64_t attached = 0;
    uint64_t messages = 0;
    uint64_t charged_bytes = 0;    // taken from the trees
    uint64_t sent_bytes = 0;       // by Attach
    uint64_t drawn_bytes = 0;      // by Get
    uint64_t received_bytes = 0;   // acknowledged
    uint64_t forfeited_bytes = 0;  // charged, then refused by the pool or given up by the caller
    uint64_t lost_bytes = 0;       // unconfirmed when their session ended
    uint64_t in_flight_bytes = 0;
    uint64_t planned_bytes = 0;
    uint64_t violations = 0;
    uint64_t denied_class = 0;     // Open or Get of a class that the policy does not allow
    uint64_t denied_capacity = 0;  // too many agents or gets
    uint64_t denied_clone = 0;
    uint64_t supersessions = 0;
    uint64_t stuck_writes = 0;
  };

  // Clock and log outlive the dispatcher. REQUIRES: options.allow is set.
  Dispatcher(Options options, std::vector<PoolSetup> pools, const Clock* clock, Log* log);
  ~Dispatcher();

  Mailbox& mailbox() { return mailbox_; }
  void PoolsChanged() { pools_changed_.store(true, std::memory_order_release); }

  struct Progress {
    int64_t wake_nanos = 0;  // call again then, if nothing is posted before
    bool more = false;       // call again at once
  };
  Progress Step(int64_t now_nanos);

  // A message for an outlet. Send it after the mailbox was released.
  struct Outgoing {
    Outlet* outlet;
    MessageBuffer message;
  };
  // Moves what the last steps produced behind what `out` holds.
  void TakeOutgoing(std::vector<Outgoing>* out);

  // Drains the sessions of `identity` (empty = all, and refuses new streams and gets from now on).
  // Returns how many.
  uint32_t Drain(absl::string_view identity, absl::string_view reason, int64_t now_nanos,
                 int64_t deadline_nanos);

  // Gives the classes of a pool new figures. What waits goes on waiting, at the new figures from
  // now on; channels of a class whose rate or ceiling changed are told so. Errors: as
  // ClassTable::Update(); nothing has changed then.
  absl::Status UpdateClasses(const ClassUpdate& update, int64_t now_nanos);

  const Totals& totals() const { return totals_; }
  const SessionRegistry& registry() const { return registry_; }
  const ClassTable& classes() const { return classes_; }
  const std::vector<std::unique_ptr<PendingGet>>& gets() const { return gets_; }
  bool draining() const { return draining_; }

 private:
  // dispatcher_sessions.cc: what comes from peers
  void OnSession(Session* session, uint32_t events, int64_t now_nanos);
  void StartSession(Session* session, int64_t now_nanos);
  void OnWriteEnd(Session* session, bool ok, int64_t now_nanos);
  void OnMessage(Session* session, int64_t now_nanos);
  absl::Status Handle(Session* session, const v1::AgentMessage& message, int64_t now_nanos);
  absl::Status HandleHello(Session* session, const v1::Hello& hello, int64_t now_nanos);
  absl::Status HandleOpen(Session* session, const v1::Open& open);
  absl::Status HandleCredit(Session* session, const v1::Credit& credit, int64_t now_nanos);
  absl::Status HandleClose(Session* session, const v1::Close& close);
  absl::Status JoinChannel(Channel* channel, v1::Quality min_quality);
  void EndSession(Session* session, const absl::Status& status, int64_t now_nanos);
  void FinishIfDue(Session* session);
  void OnGet(PendingGet* get, uint32_t events, int64_t now_nanos);
  absl::Status StartGet(PendingGet* get, int64_t now_nanos);
  void EndGet(PendingGet* get, const absl::Status& status);
  absl::Status Allowed(absl::string_view identity, Access access, absl::string_view pool_class);

  // dispatcher.cc: passes, flushing, timers
  void RefreshPools(bool retry);
  void Sweep(int64_t now_nanos);
  void SweepSession(Session* session, int64_t now_nanos);
  void DistributeAll(int64_t now_nanos);
  void Distribute(PoolSlot* slot, int64_t now_nanos);
  uint32_t Offer(Demand* demand, uint32_t bytes);
  uint32_t OfferSession(Channel* channel, uint32_t bytes);
  uint32_t OfferGet(PendingGet* get, uint32_t bytes);
  void ListForFlush(Session* session);
  void FlushAll(int64_t now_nanos);
  void FlushSession(Session* session, int64_t now_nanos);
  uint32_t SettleParts(Session* session, absl::Span<const Writer::Part> parts, int64_t now_nanos);
  void FlushGet(PendingGet* get);
  absl::Status FillGet(PendingGet* get);
  void StopSlot(PoolSlot* slot, const absl::Status& status);
  void Unpark(Session* session, int64_t now_nanos);
  void UnparkCapped(int64_t now_nanos);
  Progress NextWake(int64_t now_nanos) const;

  const Options options_;
  const Clock* const clock_;
  Log* const log_;

  Mailbox mailbox_;
  std::atomic<bool> pools_changed_{false};

  ClassTable classes_;
  Writer writer_;
  SessionRegistry registry_;
  std::vector<std::unique_ptr<PendingGet>> gets_;  // PendingGet::index is the place in here
  absl::flat_hash_map<std::string, uint32_t> draws_by_identity_;
  Totals totals_;
  bool draining_ = false;

  uint64_t next_session_id_ = 1;
  int64_t next_sweep_nanos_ = 0;
  size_t first_slot_ = 0;                // rotates, so that no pool is always served last
  std::vector<Session*> flush_;          // sessions with a plan or news
  std::vector<PendingGet*> flush_gets_;  // with a plan
  std::deque<Session*> capped_;          // parked by the in-flight cap, longest first
  std::vector<Writer::Part> parts_;      // of the message being built
  std::vector<Outgoing> outgoing_;
};

}  // namespace entropyd
