// The sockets and pipes of guests: whether they are there, as the configuration says, and whether
// the hypervisor may use them.
#include <grp.h>
#include <sys/stat.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

using config::v1::ListenerConfig;

constexpr mode_t kDirectoryMode = 0755;

std::string PathOf(const ListenerConfig& listener) {
  return listener.path().empty() ? listener.fifo() : listener.path();
}

std::string KeyOf(int index, const ListenerConfig& listener) {
  return absl::StrCat("listeners[", index, "].", listener.path().empty() ? "fifo" : "path");
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool IsThere(const std::string& path) {
  struct stat found;
  return stat(path.c_str(), &found) == 0;
}

// The number of a group as the configuration names it.
absl::optional<gid_t> GroupId(const std::string& name) {
  gid_t number = 0;
  if (absl::SimpleAtoi(name, &number)) return number;
  const group* const entry = getgrnam(name.c_str());
  if (entry == nullptr) return absl::nullopt;
  return entry->gr_gid;
}

// True when the file is as it should be, as far as it can be told.
bool LookAtFile(const Subject& subject, const std::string& key, const ListenerConfig& listener,
                Report* report) {
  const std::string path = PathOf(listener);
  const std::string directory = DirectoryOf(path);
  if (!IsThere(directory)) {
    report->Broken({.what = absl::StrCat("there is no directory ", directory, " for ", path),
                    .why = "no guest can connect there; a start makes it, a reload refuses it",
                    .key = key,
                    .fix = Fix{Fix::Kind::kDirectory, directory, kDirectoryMode}});
    return false;
  }
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    if (!subject.service.process.has_value()) return true;  // another check tells it
    report->Broken(
        {.what = absl::StrCat("there is no ", path),
         .why = "no guest can connect there: somebody has removed it, or the agent waits",
         .mend = "entropyctl agent reload"});
    return false;
  }
  if (listener.path().empty() ? !S_ISFIFO(found.st_mode) : !S_ISSOCK(found.st_mode)) {
    report->Broken(
        {.what = absl::StrCat(path, " is no ", listener.path().empty() ? "pipe" : "socket"),
         .why = "it is in the way: no guest can connect there",
         .mend = absl::StrCat("mv ", ShellWord(path), " ", ShellWord(path + ".old")),
         .key = key});
    return false;
  }
  const absl::optional<gid_t> group = GroupId(listener.group());
  if (subject.service.process.has_value() && group.has_value() && *group != found.st_gid) {
    report->Broken(
        {.what = absl::StrCat(path, " belongs to another group than ", listener.group(), " (",
                              ShowMode(path), ")"),
         .why = "guests whom the group should let in are kept out",
         .mend = absl::StrCat("chgrp ", ShellWord(listener.group()), " ", ShellWord(path)),
         .key = key});
    return false;
  }
  return true;
}

}  // namespace

void LookAtSockets(const Subject& subject, Report* report) {
  const config::v1::HostAgent& config = subject.service.agent;
  int sound = 0, files = 0;
  for (int i = 0; i < config.listeners_size(); ++i) {
    const ListenerConfig& listener = config.listeners(i);
    if (!listener.group().empty() && !GroupId(listener.group()).has_value()) {
      report->Broken({.what = absl::StrCat("there is no group ", listener.group()),
                      .why = "the agent does not start with it",
                      .mend = absl::StrCat("groupadd --system ", listener.group()),
                      .key = absl::StrCat("listeners[", i, "].group")});
    }
    if (PathOf(listener).empty()) continue;
    ++files;
    if (LookAtFile(subject, KeyOf(i, listener), listener, report)) ++sound;
  }
  const std::string directory = DirectoryOf(config.control());
  if (!IsThere(directory) && subject.service.process.has_value()) {
    report->Broken(
        {.what = absl::StrCat("there is no directory ", directory, " for ", config.control()),
         .why = "entropyctl cannot speak with the agent",
         .key = "control",
         .fix = Fix{Fix::Kind::kDirectory, directory, kDirectoryMode}});
  }
  report->Passed(absl::StrCat(sound, " of ", files, " sockets and pipes are as they should be"));
}

void LookAtHypervisor(const Subject& subject, Report* report) {
  const config::v1::HostAgent& config = subject.service.agent;
  const absl::optional<Actor> qemu = HypervisorUser(subject.machine);
  if (!qemu.has_value() || !HasLibvirt(subject.machine)) {
    return report->Passed("libvirt does not run here");
  }
  std::string first;
  for (const ListenerConfig& listener : config.listeners()) {
    const std::string path = PathOf(listener);
    if (path.empty() || !IsThere(path)) continue;
    const std::string why = WhyNot(*qemu, path, listener.path().empty() ? kRead : kWrite);
    if (why.empty()) return report->Passed(absl::StrCat(qemu->name, " may use ", path));
    if (first.empty()) first = why;
  }
  if (first.empty()) return report->Passed("no socket is there; another check tells it");
  report->Broken({.what = absl::StrCat(qemu->name, " may use no socket of the agent: ", first),
                  .why = "domains of libvirt get no entropy",
                  .mend = absl::StrCat("sensible-editor ", ShellWord(subject.service.config_path),
                                       "  # group: ", qemu->name,
                                       " for the listener; then entropyctl agent reload"),
                  .key = "listeners"});
}

}  // namespace entropyd::doctor
