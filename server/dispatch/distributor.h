// Serves the claimants that wait: goes over the pools, and offers the bytes of each pool to the
// claimants in its leaves, in the order of its class tree.
//
//   Distributor distributor(&classes, &budgets.all, clock);
//   do {
//     distributor.Pass(now);
//     … turn the plans into messages …
//   } while (distributor.more());
//   … sleep until distributor.NextEventNanos(now) …
//
// It knows no protocol and no peer: what a claimant plans, the claimant remembers.
//
// Errors: none; a pool that is not ready is passed over.
//
// Thread safety: belongs to the dispatcher's owner.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/process/clock.h"
#include "base/process/nanos.h"
#include "server/dispatch/byte_budget.h"
#include "server/dispatch/class_table.h"

namespace entropyd {

class Distributor {
 public:
  // A pool's pass ends after this many grants or this much time, so that mail never waits longer.
  static constexpr uint32_t kMaxPassGrants = 4096;
  static constexpr int64_t kMaxPassNanos = 2 * kMillisecondNanos;
  // The pass reads the clock after this many grants: 256 take about 0.1 ms.
  static constexpr uint32_t kPassSliceGrants = 256;
  // Timers finer than this would cost more wake-ups than they are worth.
  static constexpr int64_t kTimerGridNanos = kMillisecondNanos;

  // All outlive the distributor.
  Distributor(ClassTable* classes, ByteBudget* budget, const Clock* clock)
      : classes_(classes), budget_(budget), clock_(clock) {}

  // Wakes the waiters for whom the budget has room, then serves every pool that is ready.
  void Pass(int64_t now_nanos);

  // True when another pass would give some claimant bytes now.
  bool more() const;
  // When time alone makes some claimant eligible; kNever = only other news can.
  int64_t NextEventNanos(int64_t now_nanos) const;

  // Bytes taken from the trees since the start.
  uint64_t charged_bytes() const { return charged_bytes_; }

 private:
  void Serve(PoolSlot* slot, int64_t now_nanos);

  ClassTable* const classes_;
  ByteBudget* const budget_;
  const Clock* const clock_;
  // The slot that is served first. It rotates, so that no pool is always last.
  size_t first_slot_ = 0;
  uint64_t charged_bytes_ = 0;
};

}  // namespace entropyd
