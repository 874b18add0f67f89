#include "client/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd::doctor {
namespace {

constexpr int kNothingFound = 0;
constexpr int kFound = 1;
constexpr int kCouldNotLook = 3;
// Of directories above one that is made.
constexpr mode_t kAbove = 0755;

void LookAt(const Machine& machine, const Service& service,
            const std::vector<Subject::Client>& clients, Report* report) {
  const Subject subject{machine, service, clients};
  for (const Check& check : service.role == Role::kServer ? ServerChecks() : AgentChecks()) {
    if (!service.loaded.ok() && check.look != LookAtConfig) continue;
    report->Begin(check.name);
    check.look(subject, report);
  }
}

absl::Status Narrow(const Fix& fix) {
  const UniqueFd file(open(fix.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat found;
  if (!file || fstat(file.get(), &found) != 0) {
    return ErrnoStatus(errno, absl::StrCat("open ", fix.path));
  }
  if ((fix.mode & ~(found.st_mode & 07777)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("its mode has changed meanwhile; look again: ", fix.path));
  }
  if (fchmod(file.get(), fix.mode) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, fix.command());
}

absl::Status Make(const Fix& fix) {
  std::filesystem::path at;
  const std::filesystem::path whole = std::filesystem::path(fix.path).lexically_normal();
  for (const std::filesystem::path& name : whole) {
    at /= name;
    const bool last = at == whole;
    if (mkdir(at.c_str(), last ? fix.mode : kAbove) != 0) {
      if (errno == EEXIST) continue;
      return ErrnoStatus(errno, absl::StrCat("make ", at.string()));
    }
    // Whatever the umask is.
    const UniqueFd made(open(at.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made || fchmod(made.get(), last ? fix.mode : kAbove) != 0) {
      return ErrnoStatus(errno, absl::StrCat("set the mode of ", at.string()));
    }
    if (last && fix.owner != geteuid() &&
        fchown(made.get(), fix.owner, static_cast<gid_t>(-1)) != 0) {
      return ErrnoStatus(errno, absl::StrCat("give ", at.string(), " to user ", fix.owner));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Examination Examine(const Machine& machine, const ExamineOptions& options) {
  Examination examination{FindServices(machine, options.choice), Report(options.progress)};
  Report& report = examination.report;
  std::vector<Subject::Client> clients;
  if (!options.client_cert.empty()) clients.push_back({"client.yaml", options.client_cert});
  for (const Service& service : examination.services) {
    if (service.role == Role::kAgent && service.loaded.ok()) {
      clients.push_back({service.config_path, service.tls().cert, /*agent=*/true});
    }
  }
  for (const Service& service : examination.services) LookAt(machine, service, clients, &report);
  if (examination.services.empty()) {
    report.Begin("machine");
    report.Unknown(
        "no server and no agent is configured here, and none runs whose user and configuration "
        "can be trusted: name a configuration by --server-config or --agent-config");
  }
  report.Finish();
  return examination;
}

int ExitStatusOf(const Report& report) {
  if (!report.findings().empty()) return kFound;
  return report.unknown().empty() ? kNothingFound : kCouldNotLook;
}

absl::Status Apply(const Fix& fix) {
  return fix.kind == Fix::Kind::kMode ? Narrow(fix) : Make(fix);
}

}  // namespace entropyd::doctor
