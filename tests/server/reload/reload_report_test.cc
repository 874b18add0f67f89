#include "server/reload/reload_report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ReloadReportTest, AFailureIsACountALineAndAProblemUntilASuccess) {
  ManualClock clock;
  FakeLog log(&clock);
  Metrics metrics;
  ReloadReport report(&clock, &log, &metrics);
  const auto gauge = [&metrics](const std::string& name) {
    return metrics.AddGauge(name, "")->Value();
  };
  const double started = gauge("entropyd_reload_last_success_timestamp_seconds");
  EXPECT_EQ(started, static_cast<double>(absl::ToUnixSeconds(clock.WallTime())));
  EXPECT_EQ(report.problem(), "");

  clock.AdvanceNanos(5'000'000'000);
  report.Failed("SIGHUP", absl::InvalidArgumentError("server.yaml:3:1: unknown key 'x'"));
  EXPECT_EQ(report.problem(), "server.yaml:3:1: unknown key 'x'");
  EXPECT_EQ(gauge("entropyd_reload_failed"), 1);
  EXPECT_EQ(metrics.AddCounter("entropyd_reload_failures_total", "")->Value(), 1);
  EXPECT_EQ(gauge("entropyd_reload_last_success_timestamp_seconds"), started);
  EXPECT_THAT(log.lines(), ElementsAre(HasSubstr(
                               "error server.reload_failed cause=SIGHUP error=INVALID_ARGUMENT: "
                               "server.yaml:3:1: unknown key 'x' remedy=mend the file, and")));

  report.Succeeded();
  EXPECT_EQ(report.problem(), "");
  EXPECT_EQ(gauge("entropyd_reload_failed"), 0);
  EXPECT_EQ(gauge("entropyd_reload_last_success_timestamp_seconds"),
            static_cast<double>(absl::ToUnixSeconds(clock.WallTime())));
}

}  // namespace
}  // namespace entropyd
