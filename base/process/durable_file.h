// Replaces a file all at once or not at all, even when the power fails.
//
//   absl::Status written = WriteDurably("/var/lib/entropyd/classes.yaml", text);
//
// Thread safety: a function without state; each file has one writer.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Writes PATH.new, mode 0600, and renames it to PATH. Whatever stands there, such as a link to
// another file, is removed or replaced, and never written through. Returns when a power cut can no
// longer undo that.
//
// Errors: as ErrnoStatus, and the old file is still there. DATA_LOSS alone means that the new file
// is there, and that a power cut may bring the old one back: the directory was not synced.
absl::Status WriteDurably(const std::string& path, absl::string_view text);

}  // namespace entropyd
