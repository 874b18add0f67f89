// What a guest has had: the figures that accounts consist of.
//
//   GuestTotals guest = account.departed;
//   guest += connection.totals_here();
//
// Errors: none.
//
// Thread safety: none; belongs to its owner's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hostagent/serving/waits.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

struct GuestTotals {
  // Bytes of entropy, primed ones included.
  uint64_t delivered = 0;
  uint64_t primed = 0;
  // EGD commands.
  uint64_t requests = 0;
  // The time in which it waited and only its own ceiling was in the way.
  int64_t throttled_nanos = 0;
  std::array<uint64_t, kWaitBuckets> waits{};
  int64_t wait_sum_nanos = 0;

  uint64_t wait_count() const;
  GuestTotals& operator+=(const GuestTotals& other);
  GuestTotals& operator-=(const GuestTotals& other);
  friend bool operator==(const GuestTotals&, const GuestTotals&) = default;

  void Save(handover::v1::Totals* saved) const;
  static GuestTotals Restore(const handover::v1::Totals& saved);
};

}  // namespace entropyd
