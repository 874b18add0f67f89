// Reports the outcome of reloads: in metrics, in the log, and in `entropyctl status`.
//
//   report.Failed("SIGHUP", status);      // counts, logs, and is a problem from now on
//   report.Succeeded();                   // no problem any more
//   std::string problem = report.problem();
//
// Errors: none.
//
// Thread safety: safe.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "base/telemetry/log.h"
#include "base/telemetry/metrics.h"

namespace entropyd {

class ReloadReport {
 public:
  // All arguments outlive it. What was read at the start counts as the first success.
  ReloadReport(const Clock* clock, Log* log, Metrics* metrics);

  // `cause`: what asked for it, e.g. "SIGHUP".
  void Failed(absl::string_view cause, const absl::Status& why);
  void Succeeded();

  // Why what is on disk is not in use; "" when it is.
  std::string problem() const;
  // Keys that have changed and that only a restart takes, as the last reload has found them.
  void SetNeedsRestart(std::vector<std::string> keys);
  std::vector<std::string> needs_restart() const;

 private:
  const Clock* const clock_;
  Log* const log_;
  Counter* const failures_;
  Gauge* const failed_;
  Gauge* const last_success_;
  mutable absl::Mutex mutex_;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> needs_restart_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
