// Has the program itself check its configuration: this is the very code of its start.
#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// Of --check-config: the configuration is wrong.
constexpr int kRefused = 2;

// A line of an error: "FILE:LINE:COLUMN: KEY: MESSAGE", or without a place.
struct Line {
  int number = 0;
  std::string key;
};

Line ParseLine(absl::string_view text, const std::string& file) {
  Line line;
  if (!absl::ConsumePrefix(&text, absl::StrCat(file, ":"))) return line;
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits(':', 3));
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[0], &line.number)) return line;
  line.key = std::string(absl::StripPrefix(parts[2], " "));
  return line;
}

// "use SOCKET: DIRECTORY may be written by others, …": taking that right away mends it.
absl::optional<Fix> FixOf(const std::string& text) {
  constexpr char kUnsafe[] = " may be written by others";
  const size_t end = text.find(kUnsafe);
  if (end == std::string::npos) return absl::nullopt;
  const size_t begin = text.rfind(": ", end);
  if (begin == std::string::npos) return absl::nullopt;
  const std::string directory = text.substr(begin + 2, end - begin - 2);
  struct stat found;
  if (stat(directory.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)) return absl::nullopt;
  return Fix{Fix::Kind::kMode, directory, found.st_mode & 07777 & ~mode_t{S_IWGRP | S_IWOTH}};
}

Trouble TroubleOf(const Subject& subject, absl::string_view text, absl::string_view why) {
  const Line line = ParseLine(text, subject.service.config_path);
  Trouble trouble;
  trouble.what = std::string(text);
  trouble.why = std::string(why);
  trouble.key = line.key;
  trouble.fix = FixOf(trouble.what);
  if (line.number > 0 && !trouble.fix.has_value()) {
    trouble.mend = absl::StrCat("sensible-editor +", line.number, " ", subject.service.config_path);
  } else if (!trouble.fix.has_value()) {
    trouble.mend = SplitRemedy(text).remedy;
  }
  return trouble;
}

// The lines of a program's error, without its name.
std::vector<std::string> Lines(const std::string& text, const std::string& program) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    absl::ConsumePrefix(&line, absl::StrCat(program, ": "));
    lines.emplace_back(line);
  }
  return lines;
}

}  // namespace

void LookAtConfig(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  if (absl::IsPermissionDenied(service.loaded)) {
    report->Unknown(absl::StrCat(service.loaded.message(), " (run the doctor as root)"));
    return;
  }
  const absl::StatusOr<ProgramOutput> checked =
      subject.machine.run({service.program, "--config", service.config_path, "--check-config"});
  if (!checked.ok() || (checked->status != 0 && checked->status != kRefused)) {
    for (const std::string& line : Lines(std::string(service.loaded.message()), service.name())) {
      report->Broken(TroubleOf(subject, line, service.name() + " does not take it"));
    }
    report->Unknown(absl::StrCat(
        "run ", service.program, " --check-config: ",
        checked.ok() ? SplitRemedy(checked->err).what : std::string(checked.status().message()),
        " (install ", service.name(), ")"));
    return;
  }
  const std::string why = absl::StrCat(service.name(), service.process.has_value()
                                                           ? " will not take it when it is reloaded"
                                                           : " does not start with it");
  for (const std::string& line : Lines(checked->err, service.name())) {
    absl::string_view text = line;
    if (absl::ConsumePrefix(&text, "warning: ")) {
      report->Warn(TroubleOf(subject, text, "the program warns of it at each start"));
    } else if (checked->status == kRefused) {
      report->Broken(TroubleOf(subject, text, why));
    }
  }
  if (checked->status == 0) {
    report->Passed(absl::StrCat(service.config_path, " is accepted by ", service.program));
  }
}

}  // namespace entropyd::doctor
