#include "server/source/source_metrics.h"

#include "base/wire/state_names.h"

namespace entropyd {
namespace {

constexpr v1::SourceState kStates[] = {v1::SOURCE_STATE_STARTING, v1::SOURCE_STATE_HEALTHY,
                                       v1::SOURCE_STATE_QUARANTINED, v1::SOURCE_STATE_LATCHED,
                                       v1::SOURCE_STATE_GONE};

}  // namespace

SourceMetrics::SourceMetrics(const Source* source, Metrics* metrics)
    : source_(source), series_(metrics) {
  const Labels labels = {{"source", source->spec().name},
                         {"driver", source->spec().driver},
                         {"group", source->Snapshot().group()}};
  for (const v1::SourceState state : kStates) {
    Labels with_state = labels;
    with_state["state"] = std::string(SourceStateName(state));
    state_[state] = series_.AddGauge("entropyd_source_state",
                                     "1 for the state that the source is in.", with_state);
  }
  raw_bytes_per_second_ = series_.AddGauge("entropyd_source_raw_bytes_per_second",
                                           "Raw bytes read, averaged over 2 s.", labels);
  raw_bytes_ = series_.AddCounter("entropyd_source_raw_bytes_total",
                                  "Raw bytes read from the device.", labels);
  credited_bits_ = series_.AddCounter("entropyd_source_credited_bits_total",
                                      "Min-entropy credited to the source, bits.", labels);
  rct_failures_ = series_.AddCounter("entropyd_source_rct_failures_total",
                                     "Alarms of the repetition count test.", labels);
  apt_failures_ = series_.AddCounter("entropyd_source_apt_failures_total",
                                     "Alarms of the adaptive proportion test.", labels);
  lag_failures_ = series_.AddCounter("entropyd_source_lag_failures_total",
                                     "Alarms of the replay detector.", labels);
  startups_ = series_.AddCounter("entropyd_source_startups_total", "Start-up tests begun.", labels);
  read_errors_ =
      series_.AddCounter("entropyd_source_read_errors_total", "Reads that failed.", labels);
  Refresh();
}

void SourceMetrics::Refresh() {
  const v1::Source now = source_->Snapshot();
  for (const v1::SourceState state : kStates) state_[state]->Set(now.state() == state);
  raw_bytes_per_second_->Set(now.raw_bytes_per_second());
  Metrics::SetCounter(raw_bytes_, static_cast<double>(now.raw_bytes()));
  Metrics::SetCounter(credited_bits_, now.credited_bits());
  Metrics::SetCounter(rct_failures_, static_cast<double>(now.rct_failures()));
  Metrics::SetCounter(apt_failures_, static_cast<double>(now.apt_failures()));
  Metrics::SetCounter(lag_failures_, static_cast<double>(now.lag_failures()));
  Metrics::SetCounter(startups_, static_cast<double>(now.startups()));
  Metrics::SetCounter(read_errors_, static_cast<double>(now.read_errors()));
}

}  // namespace entropyd
