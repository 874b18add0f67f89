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

// `path` is absolute, and neither it nor what it leads through is a file, or a link that leads
// nowhere. A directory that is not there yet is no fault: MakeStateDir() makes it. Tries whether
// something can be made there, and removes it again.
// Errors: INVALID_ARGUMENT, with what is wrong and what to do.
absl::Status CheckStateDir(const std::string& path);

// Whether a file `path` can be made in the directory `place`, as far as file systems without rights
// tell: /proc and what is mounted read-only take none. Errors: INVALID_ARGUMENT, as above.
absl::Status CheckPlaceFor(const std::string& path, const std::string& place);

// The same of the directory that `path` will stand in, or of the nearest one that is there.
absl::Status CheckNewFile(const std::string& path);

// Makes the directory, mode 0700, and those that it stands in. Errors: as ErrnoStatus, with what to
// do, also when this process may not write there.
absl::Status MakeStateDir(const std::string& path);

// The directory is this process's until the descriptor is closed: two processes would overwrite one
// another's files. A lock that cannot be had for another reason (no such directory, a file system
// without locks) does not keep a service from its work; then the descriptor is empty.
// Errors: ALREADY_EXISTS when another process has it.
absl::StatusOr<UniqueFd> LockStateDir(const std::string& path);

// Whether the file is there and has no byte, as a crash or a full disk leaves one. What it kept is
// lost, so a service does without, and says so.
bool IsEmptyFile(const std::string& path);

}  // namespace entropyd
