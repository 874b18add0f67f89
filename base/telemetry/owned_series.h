// Series of metrics that end with their owner: of a pool, a source or a class that may go while the
// process runs.
//
//   OwnedSeries series(metrics);
//   Gauge* ready = series.AddGauge("entropyd_pool_ready", "1 while the pool gives bytes.", labels);
//
// Two owners must not have a series of one name and labels at the same time: the first that goes
// would end the other's.
//
// Errors: none.
//
// Thread safety: one thread at a time.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/telemetry/metrics.h"

namespace entropyd {

class OwnedSeries {
 public:
  // `metrics` outlives it.
  explicit OwnedSeries(Metrics* metrics) : metrics_(metrics) {}
  OwnedSeries(OwnedSeries&&) = default;
  OwnedSeries& operator=(OwnedSeries&&) = delete;
  ~OwnedSeries() {
    for (Counter* counter : counters_) metrics_->Remove(counter);
    for (Gauge* gauge : gauges_) metrics_->Remove(gauge);
  }

  // As Metrics has them.
  Counter* AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
    counters_.push_back(metrics_->AddCounter(name, help, labels));
    return counters_.back();
  }
  Gauge* AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
    gauges_.push_back(metrics_->AddGauge(name, help, labels));
    return gauges_.back();
  }

 private:
  Metrics* metrics_;
  std::vector<Counter*> counters_;
  std::vector<Gauge*> gauges_;
};

}  // namespace entropyd
