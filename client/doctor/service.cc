#include "client/doctor/service.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/quoting.h"
#include "client/process/child_process.h"
#include "client/process/safe_directory.h"

namespace entropyd::doctor {
namespace {

// The kernel keeps 15 bytes of a name.
constexpr size_t kCommBytes = 15;

bool Exists(const std::string& path) {
  std::error_code error;
  return !path.empty() && std::filesystem::exists(path, error);
}

std::string DefaultConfig(const Machine& machine, Role role) {
  return machine.System(role == Role::kServer ? "/etc/entropyd/server.yaml"
                                              : "/etc/entropyd/agent.yaml");
}

// The file that the service is about; empty = no such service here.
std::string ChooseConfig(const std::string& named, const std::vector<Process>& processes,
                         const absl::optional<Unit>& unit, const std::string& usual) {
  std::error_code error;
  if (!named.empty()) return std::filesystem::absolute(named, error).lexically_normal().string();
  const auto runs = [&](const std::string& config) {
    return std::any_of(processes.begin(), processes.end(),
                       [&](const Process& process) { return process.config == config; });
  };
  if (runs(usual) || Exists(usual)) return usual;
  if (unit.has_value() && Exists(unit->config)) return unit->config;
  std::string config;
  for (const Process& process : processes) {
    if (CheckSafeFile(process.config).ok()) config = process.config;
  }
  return config;
}

void Load(Service* service) {
  config::Locations locations;
  google::protobuf::Message* const message =
      service->role == Role::kServer ? static_cast<google::protobuf::Message*>(&service->server)
                                     : &service->agent;
  service->loaded =
      config::OrGive(config::Load(service->config_path, message, &locations),
                     service->role == Role::kServer ? "--server-config" : "--agent-config");
  if (!service->loaded.ok()) message->Clear();
}

// That of the unit, else the one beside this program, else whichever is found.
std::string ChooseProgram(const Service& service) {
  if (service.unit.has_value() && Exists(service.unit->program)) return service.unit->program;
  const std::string beside = absl::StrCat(OwnDirectory(), "/", service.name());
  return Exists(beside) ? beside : service.name();
}

Actor ChooseActor(const Machine& machine, const Service& service) {
  if (service.process.has_value()) return service.process->actor;
  if (service.unit.has_value()) return service.unit->actor;
  const absl::optional<Process> own = OwnProcess(machine);
  return own.has_value() ? own->actor : Actor{.name = "root", .overrides = true};
}

Believed WhomToBelieve(const absl::optional<Unit>& unit) {
  Believed believed = {.owners = {0, geteuid()}};
  if (!unit.has_value()) return believed;
  believed.main_pid = unit->main_pid;
  if (unit->knows_user) believed.owners.insert(unit->actor.uid);
  return believed;
}

absl::optional<Service> FindService(const Machine& machine, Role role, const std::string& named) {
  Service service;
  service.role = role;
  const std::string usual = DefaultConfig(machine, role);
  service.unit = FindUnit(machine, service.name());
  const std::vector<Process> processes = FindProcesses(
      machine, service.name().substr(0, kCommBytes), usual, WhomToBelieve(service.unit));
  service.config_path = ChooseConfig(named, processes, service.unit, usual);
  if (service.config_path.empty()) return absl::nullopt;
  if (service.unit.has_value() && service.unit->config != service.config_path) {
    service.unit.reset();
  }
  // While an agent is upgraded there are two; the younger one serves.
  for (const Process& process : processes) {
    (process.config == service.config_path ? service.process : service.other) = process;
  }
  service.actor = ChooseActor(machine, service);
  const bool knows = service.unit.has_value() && service.unit->knows_user;
  service.owner = knows ? service.unit->actor.uid : geteuid();
  service.program = ChooseProgram(service);
  Load(&service);
  return service;
}

}  // namespace

Service::TlsPaths Service::tls() const {
  if (role == Role::kAgent) {
    return {agent.tls().cert(), agent.tls().key(), agent.tls().ca(), "", "ca"};
  }
  return {server.tls().cert(), server.tls().key(), server.tls().client_ca(), server.tls().crl(),
          "client_ca"};
}

std::string Service::state_dir() const {
  return role == Role::kServer ? server.state_dir() : agent.state_dir();
}

std::string Service::StartCommand() const {
  if (unit.has_value()) return absl::StrCat("systemctl restart ", name());
  return absl::StrCat(name(), " --config ", ShellWord(config_path));
}

std::vector<Service> FindServices(const Machine& machine, const Choice& choice) {
  std::vector<Service> services;
  for (const Role role : {Role::kServer, Role::kAgent}) {
    const std::string& named = role == Role::kServer ? choice.server_config : choice.agent_config;
    absl::optional<Service> service = FindService(machine, role, named);
    if (service.has_value()) services.push_back(*std::move(service));
  }
  return services;
}

}  // namespace entropyd::doctor
