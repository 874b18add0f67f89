// Has the program itself check its configuration: this is the very code of its start.
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/text/quoting.h"
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

// The sockets and pipes that the configuration names.
std::vector<std::string> SocketsOf(const config::v1::HostAgent& agent) {
  std::vector<std::string> paths = {agent.control()};
  for (const config::v1::ListenerConfig& listener : agent.listeners()) {
    paths.push_back(listener.path());
    paths.push_back(listener.fifo());
  }
  return paths;
}

// The directory on the way to `socket` of which the text says "use SOCKET: DIRECTORY may be written
// by others, …"; "" = none. The text is put together from names that somebody has chosen, so that
// it is compared, and no name is taken from it.
std::string UnsafeDirectory(absl::string_view text, const std::string& socket) {
  std::filesystem::path at = std::filesystem::path(socket).lexically_normal();
  while (at.has_relative_path()) {
    at = at.parent_path();
    if (absl::StrContains(
            text, absl::StrCat("use ", socket, ": ", at.string(), " may be written by others, "))) {
      return at;
    }
  }
  return "";
}

// Taking the right of others away mends it. A sticky directory is for everybody.
absl::optional<Fix> FixOf(const Service& service, absl::string_view text) {
  for (const std::string& socket : SocketsOf(service.agent)) {
    const std::string directory = UnsafeDirectory(text, socket);
    struct stat found;
    if (directory.empty() || lstat(directory.c_str(), &found) != 0) continue;
    if (!S_ISDIR(found.st_mode) || (found.st_mode & S_ISVTX) != 0) continue;
    return Fix{Fix::Kind::kMode, directory, found.st_mode & 07777 & ~mode_t{S_IWGRP | S_IWOTH}};
  }
  return absl::nullopt;
}

Trouble TroubleOf(const Subject& subject, absl::string_view text, absl::string_view why) {
  const Line line = ParseLine(text, subject.service.config_path);
  Trouble trouble;
  trouble.what = std::string(text);
  trouble.why = std::string(why);
  trouble.key = line.key;
  trouble.fix = FixOf(subject.service, text);
  if (line.number > 0 && !trouble.fix.has_value()) {
    trouble.mend =
        absl::StrCat("sensible-editor +", line.number, " ", ShellWord(subject.service.config_path));
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
