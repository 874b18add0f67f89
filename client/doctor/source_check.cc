// What a running server says of its sources and pools on its HTTP port, which needs no certificate.
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/units.h"
#include "base/process/host_port.h"
#include "base/process/nanos.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// The series of a page of metrics, with their labels: `entropyd_pool_ready{pool="default"}`.
using Series = std::map<std::string, double>;

Series ParsePage(const std::string& page) {
  Series series;
  for (absl::string_view line : absl::StrSplit(page, '\n', absl::SkipEmpty())) {
    const size_t blank = line.rfind(' ');
    double value = 0;
    if (line[0] == '#' || blank == absl::string_view::npos) continue;
    if (absl::SimpleAtod(line.substr(blank + 1), &value)) {
      series[std::string(line.substr(0, blank))] = value;
    }
  }
  return series;
}

absl::optional<double> Of(const Series& series, const std::string& name) {
  const auto found = series.find(name);
  if (found == series.end()) return absl::nullopt;
  return found->second;
}

std::string OfPool(const char* name, const std::string& pool) {
  return absl::StrCat("entropyd_pool_", name, "{pool=\"", pool, "\"}");
}

// `entropyd_source_state{source="trng0",state="gone"}`, in whatever order of its labels.
void LookAtState(const std::string& source, const Series& series, Report* report) {
  for (const auto& [name, value] : series) {
    if (value != 1 || !absl::StartsWith(name, "entropyd_source_state{") ||
        !absl::StrContains(name, absl::StrCat("source=\"", source, "\""))) {
      continue;
    }
    const size_t at = name.find("state=\"") + 7;
    const std::string state = name.substr(at, name.find('"', at) - at);
    if (state == "healthy" || state == "starting") return;
    report->Warn({.what = absl::StrCat("source ", source, " is ", state),
                  .why = state == "gone" ? "its device gives nothing, or is away"
                                         : "its health tests have raised alarms",
                  .mend = state == "gone" ? absl::StrCat("entropyctl sources show ", source)
                                          : absl::StrCat("entropyctl sources reset ", source)});
    return;
  }
}

void LookAtPool(const config::v1::PoolConfig& pool, const Series& series, Report* report) {
  if (Of(series, OfPool("ready", pool.name())) == 0.0) {
    report->Broken({.what = absl::StrCat("pool ", pool.name(), " is not ready"),
                    .why = "all who draw from it wait",
                    .mend = "entropyctl pools"});
    return;
  }
  const absl::optional<double> age = Of(series, OfPool("seed_age_seconds", pool.name()));
  const double interval = ToSeconds(static_cast<int64_t>(pool.reseed_interval()));
  // It is reseeded each interval while sources give; twice as long means that they give less.
  if (pool.quality() != config::v1::POOL_QUALITY_FULL && age.has_value() && *age > 2 * interval) {
    report->Warn(
        {.what = absl::StrCat("pool ", pool.name(), " was last seeded ", FormatDuration(*age),
                              " ago, and should be every ", FormatDuration(interval)),
         .why = "its sources give less than they claim; after max_seed_age it is suspended",
         .mend = "entropyctl sources"});
  }
}

}  // namespace

void LookAtSources(const Subject& subject, Report* report) {
  const config::v1::Server& config = subject.service.server;
  if (!subject.service.process.has_value()) return;  // another check tells it
  const absl::StatusOr<HostPort> where = ParseHostPort(config.metrics());
  if (!where.ok() || where->port == 0) {
    return report->Passed("not asked: `metrics` of server.yaml has no fixed port");
  }
  const absl::StatusOr<HttpAnswer> page = subject.machine.http_get(config.metrics(), "/metrics");
  if (!page.ok() || page->status != 200) {
    return report->Warn(
        {.what = absl::StrCat("http://", config.metrics(), "/metrics does not answer: ",
                              page.ok() ? absl::StrCat("status ", page->status)
                                        : std::string(page.status().message())),
         .why = "Prometheus and probes see nothing of this server",
         .mend = absl::StrCat("ss -ltnp sport = :", where->port),
         .key = "metrics"});
  }
  const Series series = ParsePage(page->body);
  for (const config::v1::SourceConfig& source : config.sources()) {
    LookAtState(source.name(), series, report);
  }
  for (const config::v1::PoolConfig& pool : config.pools()) LookAtPool(pool, series, report);
  if (Of(series, "entropyd_reload_failed") == 1.0) {
    report->Warn({.what = "what is on disk is not in use: a file is bad",
                  .why = "changes and revocations wait until it is mended",
                  .mend = "entropyctl reload"});
  }
  if (Of(series, "entropyd_draining") == 1.0) {
    report->Warn({.what = "the server drains: it takes no agent",
                  .why = "an operator has asked for it",
                  .mend = "entropyctl drain --end"});
  }
  report->Passed("sources are healthy, pools are ready");
}

}  // namespace entropyd::doctor
