// The only place that owns class trees and budgets, and that fixes the order of a server's work.
// Its owner (see mailbox.h) calls Step():
//
//   absorb the mailbox -> pools' states -> deadlines -> a pass over the pools -> flush the plans
//
// Afterwards it is no longer the owner, and hands the outgoing messages to their outlets. So
// encryption runs beside the next pass. DispatchLoop (dispatch_loop.h) does this on real threads;
// tests do it by hand with a manual clock.
//
// The parts: ClassTable (who waits where), Distributor (who gets how much), Writer (the bytes).
// The dispatcher does not know what peers say: a Protocol does.
//
// Errors: a refused read goes to the log and stops that pool until its state changes.
//
//   Dispatcher dispatcher({.max_in_flight = 64 << 20}, std::move(pools), clock, log);
//   Protocols protocols(options, &dispatcher, clock, log);   // server/attach/protocols.h
//   while (dispatcher.Step(now).more) …
//
// Thread safety: mailbox().Post() and PoolsChanged() are safe; all else belongs to the owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/class_table.h"
#include "server/dispatch/distributor.h"
#include "server/dispatch/mailbox.h"
#include "server/dispatch/outlet.h"
#include "server/dispatch/protocol.h"
#include "server/dispatch/writer.h"

namespace entropyd {

// A function that the owner runs once. It deletes itself afterwards.
class Command final : public MailNode {
 public:
  using Run = std::function<void(int64_t now_nanos)>;
  explicit Command(Run run) : run_(std::move(run)) {}
  void OnMail(uint32_t events, int64_t now_nanos) override;

 private:
  const Run run_;
};

class Dispatcher {
 public:
  // Deadlines are multiples of seconds. One look per second at all of them costs less than a timer
  // for each.
  static constexpr int64_t kSweepNanos = kSecondNanos;
  // Mail is handled for so long, then it is the turn of deadlines and passes. As long as a pool's
  // pass, so neither keeps the other waiting.
  static constexpr int64_t kMaxAbsorbNanos = 2 * kMillisecondNanos;

  struct Options {
    // The most payload bytes that are planned, or written and not taken by the network yet.
    uint64_t max_in_flight = 64ull << 20;
    // The room for which one waiter is woken.
    uint32_t message_bytes = 256 * 1024;
  };

  // Clock and log outlive the dispatcher.
  Dispatcher(const Options& options, std::vector<PoolSetup> pools, const Clock* clock, Log* log);
  ~Dispatcher();

  // From now on `protocol` sweeps and flushes, after the protocols added before. It outlives every
  // Step().
  void Add(Protocol* protocol) { protocols_.push_back(protocol); }

  Mailbox& mailbox() { return mailbox_; }
  void PoolsChanged() { pools_changed_.store(true, std::memory_order_release); }

  struct Progress {
    // Call Step() again then, when nothing is posted before.
    int64_t wake_nanos = 0;
    // Call Step() again at once.
    bool more = false;
  };
  Progress Step(int64_t now_nanos);

  // A message for an outlet. Send it after the mailbox has been released.
  struct Outgoing {
    Outlet* outlet;
    MessageBuffer message;
  };
  // Appends the messages of the last steps to `out`.
  void TakeOutgoing(std::vector<Outgoing>* out);

  // Gives the classes of a pool new figures. Claimants go on waiting, with the new figures from now
  // on. Those in a class whose rate or ceiling changed are told. Errors: as ClassTable::Update();
  // on an error nothing has changed.
  absl::Status UpdateClasses(const ClassUpdate& update, int64_t now_nanos);

  // Takes over the pools and classes of a new configuration. Claimants of what goes leave
  // (Claimant::OnRemoval); those of what stays go on waiting, with the new figures. Afterwards the
  // dispatcher does not touch pools that were removed. Errors: as ClassTable::Change(), of which
  // none can come when the change keeps its promise; the other pools are changed all the same.
  absl::Status ChangePools(PoolsChange change, int64_t now_nanos);
  // New limits, as Options has them. What is on its way stays.
  void SetBudget(const Options& options) {
    budgets_.all.SetLimit(options.max_in_flight, options.message_bytes);
  }

  const ClassTable& classes() const { return classes_; }
  uint64_t charged_bytes() const { return distributor_.charged_bytes(); }

  // For protocols.
  PayloadBudgets* budgets() { return &budgets_; }
  const PayloadBudgets* budgets() const { return &budgets_; }
  Writer* writer() { return &writer_; }
  void Send(Outlet* outlet, MessageBuffer message);
  // A read failed: nothing is planned from that pool until its state changes or the next sweep.
  void OnRefusal(PoolSlot* slot, const absl::Status& status);
  // Makes the next sweep happen at that time at the latest.
  void SweepBy(int64_t nanos);

 private:
  // Makes the claimants of these leaves leave.
  void Empty(const std::vector<Leaf*>& leaves);
  static void TellFigures(const std::vector<const Leaf*>& leaves);
  void RefreshPools(bool retry);
  void Sweep(int64_t now_nanos);

  const Clock* const clock_;
  Log* const log_;
  Mailbox mailbox_;
  std::atomic<bool> pools_changed_{false};

  PayloadBudgets budgets_;
  ClassTable classes_;
  Distributor distributor_;
  Writer writer_;
  std::vector<Protocol*> protocols_;
  int64_t next_sweep_nanos_ = 0;
  std::vector<Outgoing> outgoing_;
};

}  // namespace entropyd
