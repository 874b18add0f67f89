#include "base/telemetry/owned_series.h"

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(OwnedSeriesTest, SeriesEndWithTheirOwnerAndOthersStay) {
  Metrics metrics;
  OwnedSeries other(&metrics);
  other.AddGauge("test_level", "Test.", {{"name", "b"}})->Set(2);
  {
    OwnedSeries series(&metrics);
    series.AddGauge("test_level", "Test.", {{"name", "a"}})->Set(1);
    series.AddCounter("test_total", "Test.", {})->Increment(3);
    EXPECT_THAT(metrics.Serialize(), HasSubstr("test_level{name=\"a\"} 1"));
    EXPECT_THAT(metrics.Serialize(), HasSubstr("test_total 3"));
  }
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("name=\"a\"")));
  EXPECT_THAT(metrics.Serialize(), Not(HasSubstr("test_total 3")));
  EXPECT_THAT(metrics.Serialize(), HasSubstr("test_level{name=\"b\"} 2"));
}

TEST(OwnedSeriesTest, AMovedOwnerEndsThemOnce) {
  Metrics metrics;
  auto first = std::make_unique<OwnedSeries>(&metrics);
  Gauge* const gauge = first->AddGauge("test_level", "Test.", {});
  const OwnedSeries second = std::move(*first);
  first.reset();
  gauge->Set(4);
  EXPECT_THAT(metrics.Serialize(), HasSubstr("test_level 4"));
}

}  // namespace
}  // namespace entropyd
