// What the kernel says about a program that runs.
//
//   for (const Process& process : FindProcesses(machine, "entropyd", usual, believed)) {
//     Print(process.config);
//   }
//
// Errors: none; what cannot be read is not there.
//
// Thread safety: functions without state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "client/doctor/file_access.h"
#include "client/doctor/machine.h"

namespace entropyd::doctor {

// What a limit without a limit is.
inline constexpr uint64_t kNoLimit = UINT64_MAX;

struct Process {
  pid_t pid = 0;
  uid_t owner = 0;  // the real user, who started it
  Actor actor;
  std::string config;         // absolute; what --config says, else the default
  uint64_t descriptors = 0;   // that it may have open
  uint64_t locked_limit = 0;  // bytes that it may lock
  uint64_t locked_kib = 0;    // VmLck
  uint64_t resident_kib = 0;  // VmRSS
  uint64_t capabilities = 0;  // CapEff
};

// Whose word counts: anybody can start a process with the name of our programs and any command
// line.
struct Believed {
  std::set<uid_t> owners;
  pid_t main_pid = 0;  // of the unit; 0 = none
};

// The processes of a program that are believed, by the name that the kernel keeps (15 bytes of it),
// in the order of their numbers. Those in other containers are left out. `default_config` is that
// of the program.
std::vector<Process> FindProcesses(const Machine& machine, const std::string& name,
                                   const std::string& default_config, const Believed& believed);

// This process itself.
absl::optional<Process> OwnProcess(const Machine& machine);

// The program of a process, for messages. Empty when it is gone.
std::string NameOfProcess(const Machine& machine, pid_t pid);

// Who listens on a TCP port of this machine: 0 = somebody, but only root is told who.
std::vector<pid_t> ListenersOnPort(const Machine& machine, int port);

}  // namespace entropyd::doctor
