#include "base/telemetry/metrics.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, ExposesTheTextFormat) {
  Metrics metrics;
  metrics.AddCounter("entropyd_bytes_total", "Bytes.", {{"class", "gold"}})->Increment(64);
  metrics.AddGauge("entropyd_level_bytes", "Level.")->Set(7.5);
  EXPECT_EQ(metrics.Serialize(),
            "# HELP entropyd_bytes_total Bytes.\n"
            "# TYPE entropyd_bytes_total counter\n"
            "entropyd_bytes_total{class=\"gold\"} 64\n"
            "# HELP entropyd_level_bytes Level.\n"
            "# TYPE entropyd_level_bytes gauge\n"
            "entropyd_level_bytes 7.5\n");
}

TEST(MetricsTest, SameNameAndLabelsAreOneSeries) {
  Metrics metrics;
  Counter* a = metrics.AddCounter("c_total", "C.", {{"l", "1"}});
  Counter* b = metrics.AddCounter("c_total", "C.", {{"l", "1"}});
  Counter* other = metrics.AddCounter("c_total", "C.", {{"l", "2"}});
  EXPECT_EQ(a, b);
  EXPECT_NE(a, other);
  a->Increment();
  b->Increment(2);
  EXPECT_EQ(a->Value(), 3);
  EXPECT_EQ(other->Value(), 0);
}

TEST(MetricsTest, SeriesAreSortedByLabel) {
  Metrics metrics;
  for (const char* guest : {"c", "a", "b"}) metrics.AddGauge("g", "G.", {{"guest", guest}});
  EXPECT_THAT(metrics.Serialize(),
              HasSubstr("g{guest=\"a\"} 0\ng{guest=\"b\"} 0\ng{guest=\"c\"} 0\n"));
}

TEST(MetricsTest, ARemovedSeriesIsGoneAndMayComeBackFromZero) {
  Metrics metrics;
  Gauge* gauge = metrics.AddGauge("g", "G.", {{"guest", "a"}});
  metrics.AddGauge("g", "G.", {{"guest", "b"}});
  gauge->Set(5);
  metrics.Remove(gauge);
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("guest=\"a\"")));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("g{guest=\"b\"} 0"));
  EXPECT_EQ(metrics.AddGauge("g", "G.", {{"guest", "a"}})->Value(), 0);
}

TEST(MetricsTest, HistogramCountsIntoItsBounds) {
  Metrics metrics;
  Histogram* h = metrics.AddHistogram("h_seconds", "H.", {0.1, 1}, {{"class", "gold"}});
  h->Observe(0.05);
  h->Observe(0.5);
  h->Observe(5);
  std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{class=\"gold\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{class=\"gold\",le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{class=\"gold\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_count{class=\"gold\"} 3\n"));
  metrics.Remove(h);
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("class=\"gold\"")));
}

TEST(MetricsTest, RefreshersRunBeforeEachScrapeAndMayAddSeries) {
  Metrics metrics;
  int scrapes = 0;
  const auto refresher =
      metrics.AddRefresher([&] { metrics.AddGauge("scrapes", "S.")->Set(++scrapes); });
  EXPECT_THAT(metrics.Serialize(), HasSubstr("scrapes 1\n"));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("scrapes 2\n"));
}

TEST(MetricsTest, ARefresherEndsWithItsOwnerWhicheverEndsFirst) {
  auto metrics = std::make_unique<Metrics>();
  int first = 0, second = 0;
  auto owner = metrics->AddRefresher([&] { ++first; });
  {
    const auto other = metrics->AddRefresher([&] { ++second; });
    metrics->Serialize();
  }
  metrics->Serialize();
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 1) << "its owner is gone";
  owner = metrics->AddRefresher([&] { ++second; });
  metrics->Serialize();
  EXPECT_EQ(first, 2) << "its owner has another";
  EXPECT_EQ(second, 2);
  metrics.reset();
}

TEST(MetricsTest, SetCounterNeverGoesBack) {
  Metrics metrics;
  Counter* c = metrics.AddCounter("c_total", "C.");
  Metrics::SetCounter(c, 10);
  EXPECT_EQ(c->Value(), 10);
  Metrics::SetCounter(c, 7);
  EXPECT_EQ(c->Value(), 10);
}

TEST(MetricsTest, SetHistogramAddsWhatIsNew) {
  Metrics metrics;
  Histogram* h = metrics.AddHistogram("h_seconds", "H.", {0.1, 1});
  Metrics::SetHistogram(h, {2, 1, 0}, 0.5);
  Metrics::SetHistogram(h, {3, 1, 4}, 40.5);
  Metrics::SetHistogram(h, {1, 1, 1}, 3);  // never back
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"0.1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{le=\"1\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_count 8\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_sum 40.5\n"));
}

TEST(MetricsTest, ConcurrentScrapesDoNotCountTwice) {
  Metrics metrics;
  Counter* c = metrics.AddCounter("c_total", "C.");
  std::atomic<int> source{0};
  const auto refresher = metrics.AddRefresher([&] { Metrics::SetCounter(c, ++source); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) metrics.Serialize();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(c->Value(), 2000);
}

TEST(MetricsDeathTest, ABadNameIsABugAndAborts) {
  Metrics metrics;
  EXPECT_DEATH(metrics.AddCounter("no spaces allowed", "C."), "metrics: no spaces allowed: ");
}

}  // namespace
}  // namespace entropyd
