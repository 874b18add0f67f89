// What a class counts. The event loop keeps plain numbers, which cost it an addition each. A scrape
// copies them (hostagent/agent_metrics.h).
//
//   ClassCounters counters("default/bulk");
//   counters.delivered_bytes.Add(64);
//
// Errors: none.
//
// Thread safety: as LoopNumber.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "base/wire/egd.h"
#include "hostagent/loop/loop_number.h"
#include "hostagent/serving/local_fallback.h"
#include "hostagent/serving/upstream_state.h"
#include "hostagent/serving/waits.h"

namespace entropyd {

struct ClassCounters {
  explicit ClassCounters(std::string name) : class_name(std::move(name)) {}

  // POOL/CLASS.
  const std::string class_name;
  // Entropy given to guests' sockets, primed bytes included.
  LoopNumber delivered_bytes;
  LoopNumber primed_bytes;
  // By command byte.
  std::array<LoopNumber, egd::kCommandTypes> requests;
  // Connections closed for an unknown command.
  LoopNumber closed_unknown;
  // Times that a connection was left unread, because it had too many pending commands of
  // alternating kinds.
  LoopNumber left_unread;
  LoopNumber guests;
  LoopNumber owed_bytes;
  LoopNumber buffer_level;
  LoopNumber buffer_target;
  LoopNumber buffer_size;
  // From the arrival of a run of like commands that came together to its last reply byte.
  std::array<LoopNumber, kWaitBuckets> waits;
  LoopNumber wait_sum_nanos;
  // The time of all guests together in which they waited for their ceilings only.
  LoopNumber throttled_nanos;
  // Who serves: 1 for the one that does, by LocalFallback::Mode.
  std::array<LoopNumber, LocalFallback::kModes> modes;
  // What the attached server last said of the class: 1 for that, by UpstreamState::Kind.
  std::array<LoopNumber, UpstreamState::kKinds> phases;
  // 1 when the last server that said anything of the class refuses it, else 0. It stays while no
  // server is attached.
  LoopNumber refused;
  // Bytes that a DRBG of this host made.
  LoopNumber local_bytes;
  // 1 when the local fallback can serve after a loss of upstream, else 0.
  LoopNumber local_ready;
  // 1 when `on_upstream_loss: local` is refused for this class, else 0.
  LoopNumber local_refused;
};

}  // namespace entropyd
