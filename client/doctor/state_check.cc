// The directory in which a service keeps its state.
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/process/state_dir.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

constexpr mode_t kPrivate = 0700;

// The nearest directory above that is there.
std::string Above(const std::string& path) {
  std::error_code error;
  std::filesystem::path at = std::filesystem::path(path).lexically_normal();
  while (at.has_relative_path() && !std::filesystem::exists(at, error)) at = at.parent_path();
  return at.string();
}

void LookAtMissing(const Subject& subject, const std::string& path, Report* report) {
  const Service& service = subject.service;
  const bool makes = WhyNot(service.actor, Above(path), kWrite | kSearch).empty() ||
                     (service.unit.has_value() && service.unit->has_state_dir);
  if (makes && !service.process.has_value()) {
    return report->Passed(absl::StrCat(path, " will be made at the start"));
  }
  report->Broken({.what = absl::StrCat("there is no ", path),
                  .why = service.process.has_value()
                             ? "it was there when the service started: what it keeps is lost"
                             : absl::StrCat(service.actor.name, " may not make it"),
                  .key = "state_dir",
                  .fix = Fix{Fix::Kind::kDirectory, path, kPrivate, service.owner}});
}

}  // namespace

void LookAtStateDir(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  const std::string path = service.state_dir();
  if (path.empty()) return report->Passed("none is configured: a restart forgets changes");
  if (const absl::Status usable = CheckStateDir(path); !usable.ok()) {
    const Message said = SplitRemedy(usable.message());
    return report->Broken({.what = absl::StrCat("state_dir ", said.what),
                           .why = "what operators change is not kept",
                           .mend = absl::StrCat("sensible-editor ", ShellWord(service.config_path)),
                           .key = "state_dir"});
  }
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return LookAtMissing(subject, path, report);
  if (const std::string why = WhyNot(service.actor, path, kWrite | kSearch); !why.empty()) {
    return report->Broken(
        {.what = why,
         .why = "what is to be kept over a restart cannot be written",
         .mend = absl::StrCat("chown -R ", service.actor.uid, " ", ShellWord(path)),
         .key = "state_dir"});
  }
  struct statvfs room;
  if (statvfs(path.c_str(), &room) == 0 && room.f_blocks > 0 && room.f_bavail == 0) {
    return report->Broken({.what = absl::StrCat("the file system of ", path, " is full"),
                           .why = "what is to be kept over a restart cannot be written",
                           .mend = absl::StrCat("df -h ", ShellWord(path))});
  }
  const mode_t kept = found.st_mode & 07777 & ~mode_t{S_IWGRP | S_IWOTH};
  if (kept != (found.st_mode & 07777)) {
    return report->Warn(
        {.what = absl::StrCat("others may write into ", path, " (", ShowMode(path), ")"),
         .why = "they can change what the service does after its next start",
         .key = "state_dir",
         .fix = Fix{Fix::Kind::kMode, path, kept}});
  }
  report->Passed(absl::StrCat(path, " can be written"));
}

}  // namespace entropyd::doctor
