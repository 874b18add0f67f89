// Finds out who else has a right to a file, beside root and this process's user and group.
//
//   const std::string others = WhoElseMayWrite(st);
//   if (!others.empty()) return Refused(absl::StrCat(others, " may write it"));
//
// A user who may write a FIFO may choose what a source gives. A user who may write a library may
// choose what the server does. A user who may read a PIN has it.
//
// An owner can add any right, so a stranger that owns the file has them all.
//
// Errors: none of the first two, whose answer is a phrase for a message; "" = nobody.
//
// Thread safety: functions without state.
#pragma once

#include <sys/stat.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// "its owner, user 1000", "everybody" or "group 20".
std::string WhoElseMayWrite(const struct stat& file);
std::string WhoElseMayRead(const struct stat& file);

// As ErrnoStatus, with what to do about a file that cannot be opened: it is missing, its rights
// keep the server's user away, or the unit keeps every device away that it does not name.
absl::Status CannotUse(int error, absl::string_view what, absl::string_view path);
// Whether this process could open the file for `mode` (R_OK, W_OK), as far as its rights tell
// without opening it. Errors: of CannotUse().
absl::Status CheckAccess(const std::string& path, int mode, absl::string_view what);

}  // namespace entropyd
