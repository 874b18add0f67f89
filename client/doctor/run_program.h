// Runs a program and takes what it says.
//
//   auto output = RunProgram({"systemctl", "show", "entropyd.service"});
//
// Thread safety: a function without state; its child belongs to the calling thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/doctor/machine.h"

namespace entropyd::doctor {

// Messages are in English (LC_ALL=C), standard input is empty, and the program surely ends.
// Errors: DEADLINE_EXCEEDED after 20 s; those of ScratchDir.
absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& argv);

}  // namespace entropyd::doctor
