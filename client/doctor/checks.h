// All checks of the doctor, as tables: each looks at one thing of one service.
//
//   for (const Check& check : ServerChecks()) {
//     report.Begin(check.name);
//     check.look(subject, &report);
//   }
//
// A new check is a function here, a line in a table (checks.cc), and planted faults in
// tests/client/doctor/server_faults_test.cc or tests/client/doctor/agent_faults_test.cc.
//
// Errors: none; what a check cannot look at it reports as unknown.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "client/doctor/machine.h"
#include "client/doctor/report.h"
#include "client/doctor/service.h"

namespace entropyd::doctor {

// What a check looks at.
struct Subject {
  const Machine& machine;
  const Service& service;
  // Certificates of clients on this machine, each with the file that names it.
  struct Client {
    std::string file;
    std::string cert;
    bool agent = false;  // the agent's; else the one of entropyctl
  };
  std::vector<Client> clients = {};
};

struct Check {
  const char* name;
  // What it looks at, for people who read the table.
  const char* about;
  void (*look)(const Subject& subject, Report* report);
};

absl::Span<const Check> ServerChecks();
absl::Span<const Check> AgentChecks();

// Of both.
void LookAtConfig(const Subject& subject, Report* report);
void LookAtCertificate(const Subject& subject, Report* report);
void LookAtKey(const Subject& subject, Report* report);
void LookAtClock(const Subject& subject, Report* report);
void LookAtProcess(const Subject& subject, Report* report);
void LookAtMemoryLock(const Subject& subject, Report* report);
void LookAtDescriptors(const Subject& subject, Report* report);
void LookAtStateDir(const Subject& subject, Report* report);
// Of a server.
void LookAtCrl(const Subject& subject, Report* report);
void LookAtPort(const Subject& subject, Report* report);
void LookAtDevices(const Subject& subject, Report* report);
void LookAtClaims(const Subject& subject, Report* report);
void LookAtSources(const Subject& subject, Report* report);
void LookAtPolicy(const Subject& subject, Report* report);
// Of an agent.
void LookAtSockets(const Subject& subject, Report* report);
void LookAtHypervisor(const Subject& subject, Report* report);
void LookAtAppArmor(const Subject& subject, Report* report);
void LookAtSelinux(const Subject& subject, Report* report);
void LookAtDomains(const Subject& subject, Report* report);
void LookAtServers(const Subject& subject, Report* report);
void LookAtService(const Subject& subject, Report* report);

// Whether libvirt runs on this machine.
bool HasLibvirt(const Machine& machine);
// The user as which libvirt runs QEMU, on Debian and elsewhere; nullopt = it is not installed.
absl::optional<Actor> HypervisorUser(const Machine& machine);

}  // namespace entropyd::doctor
