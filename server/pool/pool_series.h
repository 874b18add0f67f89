// The metrics entropyd_pool_* of one pool: its snapshot, and what its readers counted.
//
//   PoolSeries series("default", v1::QUALITY_DRBG, metrics);
//   series.Refresh(pool->Snapshot(), counters);
//
// Errors: none.
//
// Thread safety: Refresh() from one thread at a time; the counters of PoolCounters are atomic.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/telemetry/metrics.h"
#include "base/telemetry/owned_series.h"
#include "proto/admin.pb.h"
#include "server/pool/block_statistic.h"

namespace entropyd {

// What a pool and its readers count. Readers of quality drbg count without a lock.
struct PoolCounters {
  std::atomic<uint64_t> delivered_bytes{0};
  std::atomic<uint64_t> readers{0};
  std::atomic<uint64_t> reader_seeds{0};
  // Blocks of output that the readers' statistics examined.
  std::atomic<uint64_t> blocks_examined{0};
  std::atomic<uint64_t> blocks_passed{0};
  std::array<std::atomic<uint64_t>, BlockStatistic::kTests> blocks_failed{};

  void Count(const BlockStatistic::Tally& tally);
};

class PoolSeries {
 public:
  // The series end with this object. `metrics` outlives it.
  PoolSeries(const std::string& pool, v1::Quality quality, Metrics* metrics);

  void Refresh(const v1::Pool& now, const PoolCounters& counters);

 private:
  OwnedSeries series_;
  Gauge* software_only_;
  Gauge* ready_;
  Gauge* degraded_;
  Gauge* healthy_groups_;
  Gauge* available_bytes_;
  Gauge* capacity_bytes_;
  Gauge* seed_age_seconds_;
  Counter* seed_generation_;
  Counter* reader_seeds_;
  Counter* delivered_bytes_;
  Counter* blocks_examined_;
  Counter* blocks_passed_;
  // Failed blocks by test.
  std::array<Counter*, BlockStatistic::kTests> blocks_failed_;
};

}  // namespace entropyd
