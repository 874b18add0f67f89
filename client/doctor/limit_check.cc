// Limits of a process: memory that it may lock, files that it may open.
#include "absl/strings/str_cat.h"
#include "base/config/needed_descriptors.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// What a process has, or would have.
struct Limits {
  uint64_t descriptors = 0;
  uint64_t locked = 0;
  bool locks_all = false;  // CAP_IPC_LOCK
  std::string whose;
};

absl::optional<Limits> LimitsOf(const Subject& subject) {
  const Service& service = subject.service;
  if (service.process.has_value()) {
    const Process& process = *service.process;
    return Limits{process.descriptors, process.locked_limit, process.actor.locks_all,
                  absl::StrCat(service.name(), ", pid ", process.pid, ",")};
  }
  if (service.unit.has_value()) {
    const Unit& unit = *service.unit;
    return Limits{unit.descriptors, unit.locked_limit, unit.actor.locks_all,
                  absl::StrCat(unit.name, ".service")};
  }
  const absl::optional<Process> own = OwnProcess(subject.machine);
  if (!own.has_value()) return absl::nullopt;
  return Limits{own->descriptors, own->locked_limit, own->actor.locks_all,
                absl::StrCat("a ", service.word(), " that is started from here")};
}

// Raises a limit, for good where there is a unit.
std::string RaiseCommand(const Service& service, const char* setting, const std::string& value,
                         const std::string& shell) {
  if (!service.unit.has_value()) return shell;
  return absl::StrCat("systemctl edit ", service.name(), "  # [Service] ", setting, "=", value,
                      "; then systemctl restart ", service.name());
}

}  // namespace

void LookAtMemoryLock(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  const absl::optional<Limits> limits = LimitsOf(subject);
  if (!limits.has_value()) return report->Unknown("read /proc/self/status (mount /proc)");
  const bool strict = service.role == Role::kServer ? service.server.strict_memory()
                                                    : service.agent.strict_memory();
  // All that is in memory is locked, or only the buffers for secrets.
  const bool locked = service.process.has_value()
                          ? service.process->locked_kib >= service.process->resident_kib
                          : limits->locks_all || limits->locked == kNoLimit;
  if (locked) return report->Passed("all memory is locked");
  Trouble trouble = {
      .what = absl::StrCat(
          limits->whose, " cannot lock its memory (",
          limits->locked == kNoLimit ? "no limit" : absl::StrCat(limits->locked, " bytes"),
          ", no CAP_IPC_LOCK)"),
      .why = strict ? "strict_memory is true: it does not start so"
                    : "keys and entropy may be written to swap",
      .mend = RaiseCommand(service, "LimitMEMLOCK", "infinity", "ulimit -l unlimited"),
      .key = "strict_memory"};
  if (strict && !service.process.has_value()) return report->Broken(std::move(trouble));
  report->Warn(std::move(trouble));
}

void LookAtDescriptors(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  const absl::optional<Limits> limits = LimitsOf(subject);
  if (!limits.has_value()) return report->Unknown("read /proc/self/limits (mount /proc)");
  const NeededDescriptors needed = service.role == Role::kServer
                                       ? DescriptorsNeededBy(service.server)
                                       : DescriptorsNeededBy(service.agent);
  if (limits->descriptors >= needed.all) {
    return report->Passed(
        absl::StrCat(limits->descriptors, " files may be open, ", needed.all, " are enough"));
  }
  const char* const who = service.role == Role::kServer ? "agents" : "guests";
  const bool none = limits->descriptors < needed.least;
  Trouble trouble = {.what = absl::StrCat(limits->whose, " may open ", limits->descriptors,
                                          " files, and needs ", needed.all),
                     .why = none ? absl::StrCat("it does not start: there is no room for ", who)
                                 : absl::StrCat("only ", limits->descriptors - needed.other, " ",
                                                who, " find room; more of them wait"),
                     .mend = RaiseCommand(service, "LimitNOFILE", absl::StrCat(needed.all),
                                          absl::StrCat("ulimit -n ", needed.all))};
  none ? report->Broken(std::move(trouble)) : report->Warn(std::move(trouble));
}

}  // namespace entropyd::doctor
