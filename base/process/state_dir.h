// The directory that keeps the state of a service: whether it can, and whose it is.
//
//   if (absl::Status wrong = CheckStateDir(config.state_dir()); !wrong.ok()) {
//     return locations.Error("state_dir", wrong.message());
//   }
//   auto mine = LockStateDir(config.state_dir());   // when it is there
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/fd.h"

namespace entropyd {

// `path` is absolute, and neither it nor what it leads through is a file. A directory that is not
// there yet is no fault: the service makes it. Tries whether something can be made there, and
// removes it again.
// Errors: INVALID_ARGUMENT, with what is wrong and what to do.
absl::Status CheckStateDir(const std::string& path);

// The directory is this process's until the descriptor is closed: two processes would overwrite one
// another's files. A lock that cannot be had for another reason (no such directory, a file system
// without locks) does not keep a service from its work; then the descriptor is empty.
// Errors: ALREADY_EXISTS when another process has it.
absl::StatusOr<UniqueFd> LockStateDir(const std::string& path);

// Whether the file is there and has no byte, as a crash or a full disk leaves one. What it kept is
// lost, so a service does without, and says so.
bool IsEmptyFile(const std::string& path);

}  // namespace entropyd
