// Opens the directory of a file by a path that only root and this process's user can redirect: the
// path has no link, and each directory belongs to one of the two and nobody else may write it.
//
//   absl::StatusOr<UniqueFd> tls = OpenSafeDirectory("/etc/entropyd/tls", Missing::kIsAnError);
//   if (tls.ok()) fchmodat(tls->get(), "tls.key", 0600, 0);
//
// A directory with a sticky bit may be passed: what is ours in there stays in its place. It is not
// safe to end in, because others may add files of their own. The group counts as others, because it
// may have members and because ACLs show up in the group bits. Exception: this process's own group,
// unless the process is root's.
//
// Errors: FAILED_PRECONDITION, with the directory and what is wrong with it; as ErrnoStatus.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/fd.h"

namespace entropyd {

// What to do about a directory that is not there. One that is made gets mode 0755.
enum class Missing { kIsAnError, kIsMade };

// `path` is absolute. What is opened is a place (O_PATH).
absl::StatusOr<UniqueFd> OpenSafeDirectory(const std::string& path, Missing missing);

// OK when the file is a regular one that only root and this user can change, or replace.
absl::Status CheckSafeFile(const std::string& path);

}  // namespace entropyd
