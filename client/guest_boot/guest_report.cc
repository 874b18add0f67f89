#include "client/guest_boot/guest_report.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/show/json_text.h"

namespace entropyd {
namespace {

constexpr absl::string_view kMark = "ENTROPYD-GUEST ";

bool IsHexDigest(absl::string_view text) {
  if (text.size() != 64) return false;
  for (char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

void Apply(absl::string_view key, absl::string_view value, GuestReport* report) {
  double number = 0;
  const bool is_number = absl::SimpleAtod(value, &number);
  if (key == "kernel") {
    report->kernel = std::string(value);
  } else if (key == "uptime" && is_number) {
    report->init_seconds = number;
  } else if (key == "crng_seconds" && is_number) {
    report->crng_seconds = number;
  } else if (key == "waited" && is_number) {
    report->waited_seconds = number;
  } else if (key == "bytes") {
    if (!absl::SimpleAtoi(value, &report->bytes)) report->bytes = 0;
  } else if (key == "seconds" && is_number) {
    report->seconds = number;
  } else if (key == "sha256" && IsHexDigest(value)) {
    report->sha256 = std::string(value);
  } else if (key == "error") {
    if (report->error.empty()) report->error = absl::StrReplaceAll(value, {{"_", " "}});
  } else if (key == "event" && value == "done") {
    report->done = true;
  }
}

}  // namespace

GuestReport ParseGuestConsole(absl::string_view console) {
  GuestReport report;
  for (absl::string_view line : absl::StrSplit(console, absl::ByAnyChar("\r\n"))) {
    const size_t mark = line.find(kMark);
    if (mark == absl::string_view::npos) continue;
    line.remove_prefix(mark + kMark.size());
    // An error has '_' for blanks, but its part from strerror() may have blanks: an error goes to
    // the end of the line.
    const size_t error = line.find("error=");
    if (error != absl::string_view::npos) {
      Apply("error", line.substr(error + 6), &report);
      line = line.substr(0, error);
    }
    for (absl::string_view word : absl::StrSplit(line, ' ', absl::SkipEmpty())) {
      const std::pair<absl::string_view, absl::string_view> pair =
          absl::StrSplit(word, absl::MaxSplits('=', 1));
      Apply(pair.first, pair.second, &report);
    }
  }
  return report;
}

std::string DescribeGuestRead(const GuestReport& report) {
  if (!report.error.empty()) return report.error;
  return absl::StrFormat("%d bytes, %.1f kB/s, sha256 %s", report.bytes,
                         report.bytes_per_second() / 1000, report.sha256);
}

std::string DescribeGuestSeeding(const GuestReport& report) {
  if (report.crng_seconds.has_value()) {
    return absl::StrFormat("seeded %.2f s after boot", *report.crng_seconds);
  }
  return absl::StrFormat("> %.0f s: still unseeded", report.waited_seconds);
}

std::string GuestReportJson(const GuestReport& report) {
  JsonObject json;
  json.Set("accel", report.accel).Set("kernel", report.kernel);
  if (report.init_seconds.has_value()) json.Set("init_seconds", *report.init_seconds);
  if (report.crng_seconds.has_value()) {
    json.Set("crng_seconds", *report.crng_seconds);
  } else {
    json.SetRaw("crng_seconds", "null").Set("crng_waited_seconds", report.waited_seconds);
  }
  json.Set("bytes", report.bytes).Set("seconds", report.seconds);
  json.Set("bytes_per_second", report.bytes_per_second()).Set("sha256", report.sha256);
  if (!report.error.empty()) json.Set("error", report.error);
  return json.ToString();
}

}  // namespace entropyd
