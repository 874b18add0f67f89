// Whether AppArmor and SELinux let QEMU at the agent's sockets.
#include <fnmatch.h>
#include <sys/xattr.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

constexpr char kRules[] = "/etc/apparmor.d/local/abstractions/libvirt-qemu";
constexpr char kShippedRules[] = "/usr/share/entropyd/apparmor/libvirt-qemu";
constexpr char kModule[] = "entropyd_hostagent";

// Whether a line such as "/run/entropyd/class/*.sock rw," lets somebody write, or read a pipe.
bool Allows(const std::string& rules, const std::string& path, char right) {
  for (absl::string_view line : absl::StrSplit(rules, '\n', absl::SkipWhitespace())) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::StripSuffix(absl::StripAsciiWhitespace(line), ","),
                       absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() < 2 || words[0][0] != '/') continue;
    // "**" crosses slashes, "*" does not.
    const int flags = absl::StrContains(words[0], "**") ? 0 : FNM_PATHNAME;
    if (fnmatch(words[0].c_str(), path.c_str(), flags) == 0 &&
        absl::StrContains(words[1], std::string(1, right))) {
      return true;
    }
  }
  return false;
}

}  // namespace

void LookAtAppArmor(const Subject& subject, Report* report) {
  const Machine& machine = subject.machine;
  const std::string enabled =
      ReadSystemFile(machine.System("/sys/module/apparmor/parameters/enabled"));
  const std::string profile =
      ReadSystemFile(machine.System("/etc/apparmor.d/abstractions/libvirt-qemu"));
  if (!absl::StartsWith(enabled, "Y") || profile.empty() || !HasLibvirt(machine)) {
    return report->Passed("AppArmor does not confine QEMU here");
  }
  const std::string rules = absl::StrCat(profile, "\n", ReadSystemFile(machine.System(kRules)));
  const absl::optional<Actor> qemu = HypervisorUser(machine);
  std::vector<std::string> missing;
  for (const config::v1::ListenerConfig& listener : subject.service.agent.listeners()) {
    const bool socket = !listener.path().empty();
    const std::string path = socket ? listener.path() : listener.fifo();
    // What QEMU may not use by its mode is for others.
    const bool meant = qemu.has_value() && WhyNot(*qemu, path, socket ? kWrite : kRead).empty();
    if (path.empty() || !meant) continue;
    if (!Allows(rules, path, socket ? 'w' : 'r')) missing.push_back(path);
  }
  if (missing.empty()) return report->Passed(absl::StrCat(kRules, " has all sockets"));
  // The rules that are shipped have the usual places.
  const bool usual = Allows(ReadSystemFile(machine.System(kShippedRules)), missing.front(), 'w') ||
                     Allows(ReadSystemFile(machine.System(kShippedRules)), missing.front(), 'r');
  report->Broken({.what = absl::StrCat("AppArmor has no rule for ", absl::StrJoin(missing, ", "),
                                       " in ", kRules),
                  .why = "QEMUs that libvirt starts may not open it",
                  .mend = usual ? absl::StrCat("cat ", kShippedRules, " >>", kRules)
                                : absl::StrCat("echo '", missing.front(), " rw,' >>", kRules)});
}

void LookAtSelinux(const Subject& subject, Report* report) {
  const Machine& machine = subject.machine;
  const std::string enforcing = ReadSystemFile(machine.System("/sys/fs/selinux/enforce"));
  if (!absl::StartsWith(enforcing, "1")) return report->Passed("SELinux is not enforcing here");
  const absl::StatusOr<ProgramOutput> modules = machine.run({"semodule", "-l"});
  if (!modules.ok() || modules->status != 0) {
    return report->Unknown(
        "list the modules of SELinux: semodule -l failed (run the doctor as root)");
  }
  for (absl::string_view line : absl::StrSplit(modules->out, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (!words.empty() && words.front() == kModule) {
      return report->Passed(absl::StrCat("the module ", kModule, " is installed"));
    }
  }
  report->Broken({.what = absl::StrCat("SELinux is enforcing, and has no module ", kModule),
                  .why = "QEMUs that libvirt starts may not connect to the agent",
                  .mend = absl::StrCat("semodule -i ", kModule,
                                       ".pp && restorecon -R "
                                       "/usr/bin/entropyd-hostagent /run/entropyd  # made as "
                                       "deploy/README.md says")});
}

}  // namespace entropyd::doctor
