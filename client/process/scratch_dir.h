// A directory that goes away with its owner.
//
// Thread safety: none of its own.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

class ScratchDir {
 public:
  // A new directory, mode 0700, under $TMPDIR (or /tmp).
  static absl::StatusOr<ScratchDir> Temporary(absl::string_view prefix);
  // `path` itself. Made, mode 0700, when it is absent; when it is there it must be an empty
  // directory of this user, and is emptied, not removed, at the end. Errors: FAILED_PRECONDITION
  // when it holds something or belongs to somebody else.
  static absl::StatusOr<ScratchDir> At(const std::string& path);

  ScratchDir(ScratchDir&& other) noexcept;
  ScratchDir& operator=(ScratchDir&&) = delete;
  ~ScratchDir();

  const std::string& path() const { return path_; }
  // The path of `name` inside.
  std::string File(absl::string_view name) const;
  // Removes what is inside, and the directory if it was made here. Afterwards the destructor does
  // nothing.
  absl::Status Remove();

 private:
  ScratchDir(std::string path, bool made) : path_(std::move(path)), made_(made) {}

  std::string path_;  // empty: moved from or removed
  bool made_;
};

// Writes a whole file with `mode`, replacing it. Errors: as ErrnoStatus.
absl::Status WriteFile(const std::string& path, absl::string_view contents, int mode);
// Reads a whole file. Errors: as ErrnoStatus.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace entropyd
