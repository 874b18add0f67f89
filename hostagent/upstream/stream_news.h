// What the log and the metrics say of Attach streams that begin and end, and whether an end makes
// it useless to dial the same server again soon.
//
//   StreamNews news(&log, &metrics);
//   news.Attached(server);
//   choice.Ended(server, ending, age, DeservesPenalty(why.code()), now);
//   news.Ended(server, /*attached=*/true, why, retry_in_nanos);
//
// Errors: none. It reports and judges those of streams.
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

// The same of a server that did not accept us, with how far we came. OK stays OK.
absl::Status WithStep(const absl::Status& why);

class StreamNews {
 public:
  // Both outlive it.
  StreamNews(Log* log, Metrics* metrics);

  // A server has accepted a stream.
  void Attached(const std::string& server);
  // The stream that was attached is in use no longer.
  void Lost() { connected_->Set(0); }
  // How often a stream was attached after the first.
  uint64_t reconnects() const { return attached_ > 0 ? attached_ - 1 : 0; }

  // A stream to `server` has ended, or could not be attached. `why` is not OK. The agent dials
  // again in `retry_in_nanos`.
  void Ended(const std::string& server, bool attached, const absl::Status& why,
             int64_t retry_in_nanos);

 private:
  Log* const log_;
  Metrics* const metrics_;
  Counter* const replaced_;
  Gauge* const connected_;
  Counter* const reconnects_;
  uint64_t attached_ = 0;
};

}  // namespace entropyd
