#include "server/pool/pool_series.h"

#include <string>

#include "base/wire/state_names.h"

namespace entropyd {

void PoolCounters::Count(const BlockStatistic::Tally& tally) {
  if (tally.examined == 0) return;
  blocks_examined += tally.examined;
  blocks_passed += tally.passed;
  for (size_t test = 0; test < BlockStatistic::kTests; ++test) {
    blocks_failed[test] += tally.failed[test];
  }
}

PoolSeries::PoolSeries(const std::string& pool, v1::Quality quality, Metrics* metrics)
    : series_(metrics) {
  const Labels labels = {{"pool", pool}};
  const auto gauge = [&](const char* name, const char* help) {
    return series_.AddGauge(name, help, labels);
  };
  const auto counter = [&](const char* name, const char* help) {
    return series_.AddCounter(name, help, labels);
  };
  const auto blocks = [&](const char* result) {
    return series_.AddCounter("entropyd_pool_output_blocks_total",
                              "Output blocks examined, by result of the FIPS 140-2 statistics: "
                              "passed (all), or each test that failed; of ideal output 0.094 % "
                              "fail.",
                              {{"pool", pool}, {"result", result}});
  };
  series_
      .AddGauge("entropyd_pool_info", "1, labelled with the quality of what the pool gives.",
                {{"pool", pool}, {"quality", std::string(QualityName(quality))}})
      ->Set(1);
  ready_ = gauge("entropyd_pool_ready", "1 while the pool gives bytes.");
  degraded_ = gauge("entropyd_pool_degraded",
                    "1 while a group of sources is lost or all sources are software.");
  software_only_ = gauge("entropyd_pool_software_only", "1 when no source is hardware.");
  healthy_groups_ =
      gauge("entropyd_pool_healthy_groups", "Credited groups that have a healthy source.");
  available_bytes_ =
      gauge("entropyd_pool_available_bytes", "Conditioned bytes stored (quality full).");
  capacity_bytes_ =
      gauge("entropyd_pool_capacity_bytes", "Room for conditioned bytes (quality full).");
  seed_age_seconds_ =
      gauge("entropyd_pool_seed_age_seconds", "Since the last seed; +Inf before the first.");
  seed_generation_ = counter("entropyd_pool_seed_generation", "Seeds of the root DRBG so far.");
  reader_seeds_ =
      counter("entropyd_pool_reader_seeds_total", "Seeds that readers' DRBGs took from the root.");
  delivered_bytes_ = counter("entropyd_pool_delivered_bytes_total", "Bytes given to readers.");
  blocks_examined_ = counter("entropyd_pool_output_blocks_examined_total",
                             "Blocks of 2,500 bytes of output examined, about one of 256.");
  blocks_passed_ = blocks("passed");
  for (size_t test = 0; test < BlockStatistic::kTests; ++test) {
    blocks_failed_[test] = blocks(BlockStatistic::kTestNames[test]);
  }
}

void PoolSeries::Refresh(const v1::Pool& now, const PoolCounters& counters) {
  const auto count = [](Counter* counter, uint64_t value) {
    Metrics::SetCounter(counter, static_cast<double>(value));
  };
  software_only_->Set(now.software_only());
  ready_->Set(now.ready());
  degraded_->Set(now.degraded());
  healthy_groups_->Set(now.healthy_groups());
  available_bytes_->Set(static_cast<double>(now.available_bytes()));
  capacity_bytes_->Set(static_cast<double>(now.capacity_bytes()));
  seed_age_seconds_->Set(now.seed_age_seconds());
  count(seed_generation_, now.seed_generation());
  count(reader_seeds_, counters.reader_seeds);
  count(delivered_bytes_, now.delivered_bytes());
  count(blocks_examined_, counters.blocks_examined);
  count(blocks_passed_, counters.blocks_passed);
  for (size_t test = 0; test < BlockStatistic::kTests; ++test) {
    count(blocks_failed_[test], counters.blocks_failed[test]);
  }
}

}  // namespace entropyd
