// What the end of an Attach stream means: whether it is useless to dial the same server again soon,
// and what the log and the metrics tell of it.
//
//   StreamEnds ends(&log, &metrics);
//   choice.Ended(server, ending, age, DeservesPenalty(why.code()), now);
//   ends.Tell(server, /*attached=*/true, why, retry_in_nanos);
//
// Thread safety: of Log and Metrics.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"

namespace entropyd {

// The server, or we, must change before another attempt can succeed.
bool DeservesPenalty(absl::StatusCode code);

class StreamEnds {
 public:
  // Both outlive it.
  StreamEnds(Log* log, Metrics* metrics);

  // A stream to `server` has ended, or could not be attached. `why` is not OK. The agent dials
  // again in `retry_in_nanos`.
  void Tell(const std::string& server, bool attached, const absl::Status& why,
            int64_t retry_in_nanos);

 private:
  Log* const log_;
  Metrics* const metrics_;
  Counter* const superseded_;
};

}  // namespace entropyd
