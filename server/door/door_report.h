// What operators see of the door: metrics, and lines in the log.
//
//   report.Accepted();
//   report.Refused(Full::kAddress, "192.0.2.7:4711");
//   report.Tell(now);                                   // once in a while
//
// Refusals are many when they are an attack. So the log has one line for each reason in ten
// seconds, with their number and one of the peers.
//
// Errors: none.
//
// Thread safety: none; one owner.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"
#include "server/door/connection_table.h"

namespace entropyd {

class DoorReport {
 public:
  static constexpr int64_t kLineEveryNanos = 10 * kSecondNanos;

  // Log and metrics outlive it.
  DoorReport(Log* log, Metrics* metrics);

  void Accepted() { accepted_->Increment(); }
  // `peer` was not let in, or was asked to leave. REQUIRES: not kNothing.
  void Refused(Full full, absl::string_view peer);
  // Writes the lines that are due.
  void Tell(int64_t now_nanos);
  // How many there are now.
  void Count(size_t connections, size_t strangers);

 private:
  struct Refusals {
    Counter* counter = nullptr;
    uint64_t untold = 0;
    std::string peer;
    int64_t next_line_nanos = 0;
  };

  Log* const log_;
  Counter* const accepted_;
  Gauge* const connections_;
  Gauge* const strangers_;
  // By the reason; there is none for nothing.
  std::array<Refusals, 9> refusals_;
};

}  // namespace entropyd
