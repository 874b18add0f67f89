// What a guest has had: the figures that accounting is made of.
//
// Thread safety: none of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "hostagent/serving/waits.h"
#include "proto/agent_handover.pb.h"

namespace entropyd {

struct GuestTotals {
  uint64_t delivered = 0;  // bytes of entropy, primed ones included
  uint64_t primed = 0;
  uint64_t requests = 0;        // EGD commands
  int64_t throttled_nanos = 0;  // it waited, and only its own ceiling was in the way
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
