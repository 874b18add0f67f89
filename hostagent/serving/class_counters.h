// What a class counts. The event loop keeps plain numbers that cost it an addition; a scrape copies
// them (hostagent/agent_metrics.h).
//
// Thread safety: as LoopNumber.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "base/wire/egd.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/serving/waits.h"

namespace entropyd {

struct ClassCounters {
  explicit ClassCounters(std::string name) : class_name(std::move(name)) {}

  const std::string class_name;  // POOL/CLASS
  LoopNumber delivered_bytes;    // entropy handed to guests' sockets, primed bytes included
  LoopNumber primed_bytes;
  std::array<LoopNumber, egd::kCommandTypes> requests;  // by command byte
  LoopNumber closed_unknown;                            // connections closed for an unknown command
  LoopNumber closed_pending;  // ... for too many pending commands of alternating kinds
  LoopNumber guests;
  LoopNumber owed_bytes;
  LoopNumber buffer_level;
  LoopNumber buffer_target;
  LoopNumber buffer_size;
  // Time from the arrival of a run of like commands that came together to its last reply byte.
  std::array<LoopNumber, kWaitBuckets> waits;
  LoopNumber wait_sum_nanos;
  LoopNumber throttled_nanos;  // guests' time, all together, waiting for their ceilings only
  // Who serves: 1 for the one that does, by LocalFallback::Mode.
  std::array<LoopNumber, 3> modes;
  LoopNumber local_bytes;    // made by a DRBG of this host
  LoopNumber local_ready;    // 0 or 1: the loss of upstream would be survived
  LoopNumber local_refused;  // 0 or 1
};

}  // namespace entropyd
