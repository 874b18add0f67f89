// The metrics entropyd_source_* of one source, copied from its snapshot.
//
//   SourceMetrics series(source, metrics);
//   series.Refresh();                        // before each scrape, or in a regular tick
//
// Errors: none.
//
// Thread safety: one thread.
#pragma once

#include <array>

#include "base/telemetry/metrics.h"
#include "base/telemetry/owned_series.h"
#include "server/source/source.h"

namespace entropyd {

class SourceMetrics {
 public:
  // The series end with this object. The source and the metrics outlive it.
  SourceMetrics(const Source* source, Metrics* metrics);
  void Refresh();

 private:
  const Source* const source_;
  OwnedSeries series_;
  // One gauge for each SourceState: 1 for the current state, 0 for the others.
  std::array<Gauge*, v1::SourceState_ARRAYSIZE> state_{};
  Gauge* raw_bytes_per_second_;
  Counter* raw_bytes_;
  Counter* credited_bits_;
  Counter* rct_failures_;
  Counter* apt_failures_;
  Counter* lag_failures_;
  Counter* startups_;
  Counter* read_errors_;
};

}  // namespace entropyd
