// What everybody may know of a source: its state and how it came to be, and what it has counted.
//
// Thread safety: safe; one thread writes.
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
  // States that an operator can look back upon.
  static constexpr int kHistory = 32;

  // `clock` outlives it.
  SourceStatus(const SourceSpec& spec, const Clock* clock);

  v1::Source Snapshot() const;

  // Another state than the one before enters the history.
  void Set(v1::SourceState state, absl::string_view reason);
  void AddRawBytes(uint64_t bytes);
  void AddCredit(double bits);
  void CountStartup();
  void CountReadError();
  void CountAlarm(HealthMonitor::Test test);
  // Lets time pass: the rate is an average over the last 2 s.
  void MeasureRate(int64_t now_nanos);

 private:
  const Clock* const clock_;
  // The writer's own, as the next one.
  int64_t rate_since_;
  // Raw bytes at rate_since_.
  uint64_t rate_bytes_ = 0;

  mutable absl::Mutex mutex_;
  v1::Source status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace entropyd
