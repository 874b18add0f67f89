// Files that are written and read in one piece.
//
//   if (auto status = WriteFile(path, yaml, 0600); !status.ok()) return status;
//   absl::StatusOr<std::string> yaml = ReadFile(path);
//
// Errors: as ErrnoStatus; a file that ReadFile() cannot open, as CannotOpen(). When writing fails,
// the file may hold a part.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Replaces what an existing file holds; the file keeps its mode. A new one gets `mode`.
absl::Status WriteFile(const std::string& path, absl::string_view contents, int mode);
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace entropyd
