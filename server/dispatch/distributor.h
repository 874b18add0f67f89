// Serves those who wait: passes over the pools, and offers what each has to the claimants in its
// leaves, in the order of its class tree.
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
  // A pool's pass ends after so many grants or so much time, so that mail never waits longer.
  static constexpr uint32_t kMaxPassGrants = 4096;
  static constexpr int64_t kMaxPassNanos = 2 * kMillisecondNanos;
  // The clock is looked at after so many grants: 256 take some 0.1 ms.
  static constexpr uint32_t kPassSliceGrants = 256;
  // Timers finer than this would cost more wake-ups than they are worth.
  static constexpr int64_t kTimerGridNanos = kMillisecondNanos;

  // All outlive the distributor.
  Distributor(ClassTable* classes, ByteBudget* budget, const Clock* clock)
      : classes_(classes), budget_(budget), clock_(clock) {}

  // Wakes those for whom the budget has room, then serves every pool that is ready.
  void Pass(int64_t now_nanos);

  // Another pass would give somebody something now.
  bool more() const;
  // When time alone makes somebody eligible; kNever = not without other news.
  int64_t NextEventNanos(int64_t now_nanos) const;

  // Taken from the trees since start.
  uint64_t charged_bytes() const { return charged_bytes_; }

 private:
  void Serve(PoolSlot* slot, int64_t now_nanos);

  ClassTable* const classes_;
  ByteBudget* const budget_;
  const Clock* const clock_;
  // Rotates, so that no pool is always served last.
  size_t first_slot_ = 0;
  uint64_t charged_bytes_ = 0;
};

}  // namespace entropyd
