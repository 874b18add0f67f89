// What a connection has had: all of it, and the part since it has its present class and name.
//
//   ConnectionTotals totals;
//   served->answered()->Were(totals.waits());
//   totals.Settle(so_far);                       // it is about to have another class or name
//   accounts.Leave(key, totals.Here(so_far));
//
// What the session and the place in the queue count themselves is passed in (`SoFar`).
//
// Errors: none.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <cstdint>
#include <memory>

#include "hostagent/guest/guest_totals.h"
#include "hostagent/serving/rate_meter.h"
#include "hostagent/serving/waits.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

class ConnectionTotals {
 public:
  struct SoFar {
    // Bytes that its commands got.
    uint64_t taken = 0;
    // EGD commands.
    uint64_t requests = 0;
    // QueuePlace::throttled_nanos().
    int64_t throttled_nanos = 0;
  };

  // Where its waits are counted.
  WaitCounts* waits() { return &waits_; }
  void Primed(uint64_t bytes) { primed_ += bytes; }

  uint64_t primed() const { return primed_; }
  // Of the whole connection.
  GuestTotals All(const SoFar& so_far) const;
  // Since Settle().
  GuestTotals Here(const SoFar& so_far) const;
  void Settle(const SoFar& so_far) { before_ = std::make_unique<GuestTotals>(All(so_far)); }

  // Call it about once a second. `delivered`: bytes, primed ones included.
  void MeasureRate(uint64_t delivered, double seconds) { rate_.Measure(delivered, seconds); }
  // Bytes/s over the last few seconds.
  double rate() const { return rate_.rate(); }

  // For a handover.
  void Save(const SoFar& so_far, handover::v1::Connection* saved) const;
  // `taken`: SoFar::taken of the restored session. The saved bytes and requests are the session's.
  void Restore(const handover::v1::Connection& saved, uint64_t taken);

 private:
  uint64_t primed_ = 0;
  WaitCounts waits_;
  // In an earlier process.
  int64_t throttled_nanos_ = 0;
  // The totals at the last Settle(). Most connections never move.
  std::unique_ptr<GuestTotals> before_;
  RateMeter rate_;
};

}  // namespace entropyd
