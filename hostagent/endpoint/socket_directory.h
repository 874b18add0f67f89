// Checks that the directory of a socket or a pipe is safe. A user who may write there, or in a
// directory above, may replace the file with another one. Guests would then get that user's bytes
// and take them for entropy.
//
//   if (absl::Status unsafe = CheckSocketDirectory("/run/entropyd/egd.sock"); !unsafe.ok()) …
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace entropyd {

// OK when nobody but root and this process's user may write in the directory of `path` and in those
// on the way to it. A sticky bit is OK, too: in /tmp others may only add files of their own. A link
// on the way belongs to one of the two, and the way to where it leads counts as well. The group
// counts as others, unless it is root's and no ACL may let more write. A directory that is not
// there is no fault. Errors: FAILED_PRECONDITION, with the directory or link and what to do.
absl::Status CheckSocketDirectory(const std::string& path);

// Makes the directory for a future file, with mode 0755, when it is missing. Errors: of the file
// system.
absl::Status MakeDirectoryOf(const std::string& path);
// The same where CheckSocketDirectory() allows it. Errors: of both.
absl::Status MakeSafeDirectoryOf(const std::string& path);

}  // namespace entropyd
