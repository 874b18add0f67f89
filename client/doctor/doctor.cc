#include "client/doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "client/process/safe_directory.h"

namespace entropyd::doctor {
namespace {

constexpr int kNothingFound = 0;
constexpr int kFound = 1;
constexpr int kCouldNotLook = 3;

void LookAt(const Machine& machine, const Service& service,
            const std::vector<Subject::Client>& clients, Report* report) {
  const Subject subject{machine, service, clients};
  for (const Check& check : service.role == Role::kServer ? ServerChecks() : AgentChecks()) {
    if (!service.loaded.ok() && check.look != LookAtConfig) continue;
    report->Begin(check.name);
    check.look(subject, report);
  }
}

// The directory of what is to be mended. Where others may write, they could put something else in
// its place while it is mended.
absl::StatusOr<UniqueFd> OpenOurs(const std::string& directory, Missing missing) {
  absl::StatusOr<UniqueFd> ours = OpenSafeDirectory(directory, missing);
  if (!absl::IsFailedPrecondition(ours.status())) return ours;
  return absl::FailedPreconditionError(
      absl::StrCat(ours.status().message(), "; mend that first, or run the command yourself"));
}

// A path that ends with the name of what is meant.
std::filesystem::path WithoutSlash(const std::string& path) {
  return std::filesystem::path(path + "/").lexically_normal().parent_path();
}

absl::Status Narrow(const Fix& fix) {
  const std::filesystem::path path = WithoutSlash(fix.path);
  const absl::StatusOr<UniqueFd> directory = OpenOurs(path.parent_path(), Missing::kIsAnError);
  if (!directory.ok()) return directory.status();
  const UniqueFd file(openat(directory->get(), path.filename().c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
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
  const std::filesystem::path path = WithoutSlash(fix.path);
  const absl::StatusOr<UniqueFd> above = OpenOurs(path.parent_path(), Missing::kIsMade);
  if (!above.ok()) return above.status();
  const std::string name = path.filename();
  if (mkdirat(above->get(), name.c_str(), fix.mode) != 0) {
    struct stat found;
    const int error = errno;
    const bool there = fstatat(above->get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0;
    if (error == EEXIST && there && S_ISDIR(found.st_mode)) return absl::OkStatus();
    return ErrnoStatus(error, absl::StrCat("make ", fix.path));
  }
  // Whatever the umask is.
  const UniqueFd made(
      openat(above->get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made || fchmod(made.get(), fix.mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set the mode of ", fix.path));
  }
  if (fix.owner != geteuid() && fchown(made.get(), fix.owner, static_cast<gid_t>(-1)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("give ", fix.path, " to user ", fix.owner));
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
