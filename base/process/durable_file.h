// A file that is replaced at once or not at all, also by a power cut.
//
//   absl::Status written = WriteDurably("/var/lib/entropyd/classes.yaml", text);
//
// Thread safety: a function without state; a file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Writes PATH.new, mode 0600, renames it to PATH and returns when that would survive a power cut.
// Errors: those of the file system. The old file stands then; only when the directory could not be
// synced ("sync ..."), the new one does.
absl::Status WriteDurably(const std::string& path, absl::string_view text);

}  // namespace entropyd
