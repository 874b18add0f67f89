// Replaces a file all at once or not at all, even when the power fails.
//
//   absl::Status written = WriteDurably("/var/lib/entropyd/classes.yaml", text);
//
// Two processes that write one file at the same time never mix their texts: that of one of them is
// there in the end.
//
// Thread safety: a function without state. Each file has one writer in a process.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Writes PATH.new.PID-RANDOM, mode 0600, and renames it to PATH. A file or link that is there is
// replaced, and never written through. Files of such names, or PATH.new, that a dead writer has
// left are removed. Returns when a power cut can no longer undo the change.
//
// Errors: as ErrnoStatus, and the old file is still there. DATA_LOSS alone means that the new file
// is there, and that a power cut may bring the old one back: the directory was not synced.
absl::Status WriteDurably(const std::string& path, absl::string_view text);

}  // namespace entropyd
