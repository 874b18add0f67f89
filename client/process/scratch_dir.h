// A directory that its owner's destructor removes.
//
//   auto dir = ScratchDir::Temporary("entropyctl-").value();
//   WriteFile(dir.File("server.yaml"), yaml, 0600);
//
// Errors: of each function. What the destructor cannot remove stays.
//
// Thread safety: none; a ScratchDir belongs to one thread at a time.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

class ScratchDir {
 public:
  // Makes a new directory, mode 0700, under $TMPDIR (or /tmp). Errors: as ErrnoStatus.
  static absl::StatusOr<ScratchDir> Temporary(absl::string_view prefix);
  // Uses `path` itself. Makes it, mode 0700, when it is absent. An existing one must be an empty
  // directory of this user; at the end it is emptied, not removed.
  // Errors: FAILED_PRECONDITION when it is not empty or belongs to another user.
  static absl::StatusOr<ScratchDir> At(const std::string& path);

  ScratchDir(ScratchDir&& other) noexcept;
  ScratchDir& operator=(ScratchDir&&) = delete;
  ~ScratchDir();

  const std::string& path() const { return path_; }
  // The path of `name` inside.
  std::string File(absl::string_view name) const;
  // Removes what is inside, and the directory if this object made it. Afterwards the destructor
  // does nothing. Errors: INTERNAL names the first thing that could not be removed.
  absl::Status Remove();

 private:
  ScratchDir(std::string path, bool made) : path_(std::move(path)), made_(made) {}

  std::string path_;  // empty: moved from or removed
  bool made_;
};

}  // namespace entropyd
