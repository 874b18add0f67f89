// Reads a file that a program needs, and never hangs at a FIFO that nobody writes to.
//
//   const auto text = ReadFileAtMost(path, absl::StrCat("read ", path), kMaxBytes + 1);
//
// Takes regular files, and pipes that somebody has already opened: /dev/stdin of a pipeline and the
// shell's <(COMMAND). Refuses what may never end or must not be touched: FIFOs with a name,
// devices, sockets. A file that somebody writes meanwhile is read again, so that nobody gets half
// of it. But a reader cannot notice a write that has not begun.
//
// Thread safety: a function without state.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// The first `most` bytes of the file. To notice a file that is too large, ask for one byte more
// than you can use. `what` begins each error: "read certificate /etc/entropyd/tls/tls.crt".
// Errors: as CannotOpen() and ErrnoStatus; INVALID_ARGUMENT when it is neither a file nor such a
// pipe; UNAVAILABLE when it changed during each of several readings.
absl::StatusOr<std::string> ReadFileAtMost(const std::string& path, absl::string_view what,
                                           size_t most);

// Whether every user of this machine may read the file, as far as its own mode says. False when it
// cannot be looked at.
bool EverybodyMayRead(const std::string& path);

// As ErrnoStatus, with what to do about a file that cannot be opened.
absl::Status CannotOpen(int err, absl::string_view what);

}  // namespace entropyd
