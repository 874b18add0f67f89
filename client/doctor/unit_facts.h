// What systemd says of a unit.
//
//   absl::optional<Unit> unit = FindUnit(machine, "entropyd");
//
// Errors: none; without systemd, and without the unit, there is nothing.
//
// Thread safety: functions without state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "client/doctor/file_access.h"
#include "client/doctor/machine.h"

namespace entropyd::doctor {

struct Unit {
  std::string name;     // "entropyd"
  std::string state;    // active, failed, inactive …
  std::string result;   // success, exit-code, …
  std::string program;  // of ExecStart=
  std::string config;   // that it names
  uint64_t descriptors = 0;
  uint64_t locked_limit = 0;
  pid_t main_pid = 0;                     // 0 = it does not run
  Actor actor;                            // whom its process will be
  bool knows_user = true;                 // else the number of `actor` stands for any
  bool devices_closed = false;            // DevicePolicy= is not auto
  std::vector<std::string> device_allow;  // paths
  bool has_state_dir = false;             // StateDirectory=
};

absl::optional<Unit> FindUnit(const Machine& machine, const std::string& name);

}  // namespace entropyd::doctor
