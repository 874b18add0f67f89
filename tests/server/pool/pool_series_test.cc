#include "server/pool/pool_series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(PoolSeriesTest, SeriesSayWhatTheSnapshotAndTheCountersDo) {
  Metrics metrics;
  PoolSeries series("default", v1::QUALITY_FULL, &metrics);
  v1::Pool now;
  now.set_ready(true);
  now.set_software_only(true);
  now.set_healthy_groups(2);
  now.set_available_bytes(640);
  now.set_seed_generation(5);
  now.set_delivered_bytes(4096);
  PoolCounters counters;
  counters.reader_seeds = 3;
  counters.Count({.examined = 4, .passed = 3, .failed = {1, 0, 0, 0}});
  counters.Count({});
  series.Refresh(now, counters);
  const std::string text = metrics.Serialize();
  for (const char* line :
       {"entropyd_pool_info{pool=\"default\",quality=\"full\"} 1",
        "entropyd_pool_ready{pool=\"default\"} 1", "entropyd_pool_degraded{pool=\"default\"} 0",
        "entropyd_pool_software_only{pool=\"default\"} 1",
        "entropyd_pool_healthy_groups{pool=\"default\"} 2",
        "entropyd_pool_available_bytes{pool=\"default\"} 640",
        "entropyd_pool_seed_generation{pool=\"default\"} 5",
        "entropyd_pool_reader_seeds_total{pool=\"default\"} 3",
        "entropyd_pool_delivered_bytes_total{pool=\"default\"} 4096",
        "entropyd_pool_output_blocks_examined_total{pool=\"default\"} 4",
        "entropyd_pool_output_blocks_total{pool=\"default\",result=\"passed\"} 3"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, HasSubstr(std::string("result=\"") + BlockStatistic::kTestNames[0] + "\"} 1"));
}

}  // namespace
}  // namespace entropyd
