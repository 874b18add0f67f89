#include "client/demo/demo_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/config/units.h"
#include "base/wire/state_names.h"
#include "client/show/describe.h"
#include "client/show/json_text.h"
#include "client/show/message_json.h"
#include "client/show/output.h"

namespace entropyd {
namespace {

std::string Bytes(uint64_t bytes) { return FormatSize(static_cast<double>(bytes)); }

std::string SourcesText(const DemoSnapshot& now) {
  if (!now.sources.has_value()) return "the server does not answer";
  std::vector<std::string> parts;
  for (const v1::Source& source : now.sources->source()) {
    parts.push_back(absl::StrCat(source.name(), " ", SourceStateName(source.state()),
                                 source.software() ? " (software)" : "", " ",
                                 FormatRate(source.raw_bytes_per_second())));
  }
  return absl::StrJoin(parts, " · ");
}

std::string PoolText(const DemoSnapshot& now) {
  if (!now.pools.has_value() || now.pools->pool().empty()) return "-";
  const v1::Pool& pool = now.pools->pool(0);
  return absl::StrCat(pool.name(), " ", QualityName(pool.quality()),
                      pool.ready() ? "" : " NOT READY", pool.degraded() ? " degraded" : "",
                      ", seed ", pool.seed_generation(), ", ",
                      FormatDuration(pool.seed_age_seconds()), " old",
                      pool.reason().empty() ? "" : absl::StrCat(": ", pool.reason()));
}

std::string ClassText(const DemoSnapshot& now) {
  if (!now.agent.has_value()) return "the agent does not answer";
  if (now.agent->class_().empty()) return "-";
  const v1::GetStatusResponse::ClassStatus& status = now.agent->class_(0);
  return absl::StrCat(status.class_(), " ", PhaseName(status.phase()), ", buffer ",
                      Bytes(status.buffer_level()), ", target ", Bytes(status.buffer_target()),
                      ", ", status.guests(), status.guests() == 1 ? " connection" : " connections",
                      status.owed() > 0 ? absl::StrCat(" waiting for ", Bytes(status.owed())) : "");
}

// Cuts to `columns` characters; UTF-8 sequences stay whole.
std::string Fit(std::string line, int columns) {
  int seen = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) == 0x80) continue;
    if (seen++ == columns) return line.substr(0, i);
  }
  return line;
}

}  // namespace

uint64_t DemoSnapshot::delivered() const {
  uint64_t sum = 0;
  if (agent.has_value()) {
    for (const auto& status : agent->class_()) sum += status.delivered();
  }
  return sum;
}

uint32_t DemoSnapshot::guests() const {
  uint32_t sum = 0;
  if (agent.has_value()) {
    for (const auto& status : agent->class_()) sum += status.guests();
  }
  return sum;
}

double DeliveredRate(const DemoSnapshot& before, const DemoSnapshot& now) {
  const double passed = now.seconds - before.seconds;
  if (!before.agent.has_value() || !now.agent.has_value() || passed <= 0) return 0;
  if (now.delivered() < before.delivered()) return 0;  // the agent was restarted
  return static_cast<double>(now.delivered() - before.delivered()) / passed;
}

std::vector<std::string> DemoLines(const DemoSnapshot& now, double rate, int columns) {
  std::vector<std::string> lines = {
      absl::StrFormat("entropyd demo, %s; Ctrl-C ends it",
                      FormatDuration(std::max(0.0, now.seconds))),
      absl::StrCat("sources  ", SourcesText(now)),
      absl::StrCat("pool     ", PoolText(now)),
      absl::StrCat("class    ", ClassText(now)),
      absl::StrCat("served   ", Bytes(now.delivered()), ", now ", FormatRate(rate)),
  };
  if (!now.guest.empty()) lines.push_back(absl::StrCat("guest    ", now.guest));
  for (std::string& line : lines) line = Fit(std::move(line), columns);
  return lines;
}

std::string DemoLine(const DemoSnapshot& now, double rate) {
  return absl::StrFormat("%4.0f s  served %s, now %s  |  %s  |  %s%s", now.seconds,
                         Bytes(now.delivered()), FormatRate(rate), ClassText(now), SourcesText(now),
                         now.guest.empty() ? "" : absl::StrCat("  |  guest ", now.guest));
}

std::string DemoTickJson(const DemoSnapshot& now, double rate) {
  JsonObject json;
  json.Set("event", "tick").Set("seconds", now.seconds).Set("delivered_bytes", now.delivered());
  json.Set("bytes_per_second", rate).Set("guests", uint64_t{now.guests()});
  if (now.sources.has_value()) json.SetRaw("sources", JsonListOf(*now.sources));
  if (now.pools.has_value()) json.SetRaw("pools", JsonListOf(*now.pools));
  if (now.agent.has_value()) json.SetRaw("agent", JsonOf(*now.agent));
  return json.ToString();
}

void LiveScreen::Show(const std::vector<std::string>& lines) {
  std::string out = drawn_ > 0 ? absl::StrFormat("\x1b[%dA\r\x1b[J", drawn_) : "";
  for (const std::string& line : lines) absl::StrAppend(&out, OneLine(line), "\n");
  drawn_ = lines.size();
  std::cout << out << std::flush;
}

void LiveScreen::Clear() { Show({}); }

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace entropyd
