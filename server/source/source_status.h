// What everybody may know of a source: its state, the history of its states, and its counts.
//
//   SourceStatus status(spec, clock);
//   status.Set(v1::SOURCE_STATE_HEALTHY, "start-up tests passed");
//   const v1::Source now = status.Snapshot();
//
// Errors: none.
//
// Thread safety: safe. One thread writes; SetGroup() comes from any.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "base/process/clock.h"
#include "proto/admin.pb.h"
#include "server/health/health_monitor.h"
#include "server/source/source_spec.h"

namespace entropyd {

class SourceStatus {
 public:
  // The number of states that an operator can look back on.
  static constexpr int kHistory = 32;

  // `clock` outlives it.
  SourceStatus(const SourceSpec& spec, const Clock* clock);

  v1::Source Snapshot() const;

  // Sets the state. A state that differs from the one before enters the history.
  void Set(v1::SourceState state, absl::string_view reason);
  // The group that it counts in.
  void SetGroup(absl::string_view group);
  void AddRawBytes(uint64_t bytes);
  void AddCredit(double bits);
  void CountStartup();
  void CountReadError();
  void CountAlarm(HealthMonitor::Test test);
  // Computes the rate again. It is an average over the last 2 s.
  void MeasureRate(int64_t now_nanos);

 private:
  const Clock* const clock_;
  // Only the writer uses this and the next member.
  int64_t rate_since_;
  // The raw bytes at rate_since_.
  uint64_t rate_bytes_ = 0;

  mutable absl::Mutex mutex_;
  v1::Source status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
