// Whether a service runs, and whether a server has its port.
#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"
#include "base/text/quoting.h"
#include "client/doctor/checks.h"

namespace entropyd::doctor {
namespace {

// Where the service says why it waits, or has ended.
std::string LogCommand(const Service& service) {
  return service.unit.has_value() ? absl::StrCat("journalctl -n 20 -u ", service.name())
                                  : absl::StrCat("look into the log of ", service.name());
}

// Names the program that has the port instead of the service.
std::string NameOf(const Machine& machine, pid_t pid) {
  if (pid == 0) return "another program";
  return absl::StrCat(NameOfProcess(machine, pid), " (pid ", pid, ")");
}

}  // namespace

void LookAtProcess(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  if (service.process.has_value()) {
    return report->Passed(absl::StrCat(service.name(), " runs, pid ", service.process->pid, ", as ",
                                       service.actor.name));
  }
  if (service.other.has_value()) {
    return report->Broken(
        {.what = absl::StrCat(service.name(), " does not run with ", service.config_path),
         .why =
             absl::StrCat("what runs here is ", service.name(), " --config ", service.other->config,
                          ", pid ", service.other->pid, ": what this file says is not in force"),
         .mend = absl::StrCat("entropyctl doctor --", service.word(), "-config ",
                              ShellWord(service.other->config), "  # looks at that one")});
  }
  std::string why = service.role == Role::kServer ? "agents get no bytes from this server"
                                                  : "guests of this host get no bytes";
  if (service.unit.has_value()) {
    absl::StrAppend(&why, "; its unit is ", service.unit->state,
                    service.unit->result == "success" || service.unit->result.empty()
                        ? ""
                        : absl::StrCat(" (", service.unit->result, ": ", LogCommand(service), ")"));
  }
  report->Broken({.what = absl::StrCat(service.name(), " does not run with ", service.config_path),
                  .why = std::move(why),
                  .mend = service.StartCommand()});
}

void LookAtPort(const Subject& subject, Report* report) {
  const Service& service = subject.service;
  const absl::StatusOr<HostPort> listen = ParseHostPort(service.server.listen());
  if (!listen.ok()) return;  // the configuration's check tells it
  if (listen->port == 0) return report->Passed("it takes any port");
  const std::vector<pid_t> listeners = ListenersOnPort(subject.machine, listen->port);
  for (const pid_t pid : listeners) {
    const bool own = service.process.has_value() && (pid == service.process->pid || pid == 0);
    if (own) return report->Passed(absl::StrCat("it listens on port ", listen->port));
  }
  if (!listeners.empty()) {
    return report->Broken(
        {.what = absl::StrCat(NameOf(subject.machine, listeners.front()), " listens on port ",
                              listen->port),
         .why = absl::StrCat("entropyd cannot have it (`listen: ", service.server.listen(), "`)"),
         .mend = listeners.front() == 0 ? absl::StrCat("ss -ltnp sport = :", listen->port)
                                        : absl::StrCat("kill ", listeners.front()),
         .key = "listen"});
  }
  if (!service.process.has_value()) {
    return report->Passed(absl::StrCat("port ", listen->port, " is free"));
  }
  report->Broken({.what = absl::StrCat("entropyd runs, and does not listen on port ", listen->port),
                  .why = "it waits for something, e.g. a certificate: its log says for what "
                         "(server.waiting); or `listen` has changed, which needs a restart",
                  .mend = LogCommand(service)});
}

}  // namespace entropyd::doctor
