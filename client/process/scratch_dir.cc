#include "client/process/scratch_dir.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {

absl::StatusOr<ScratchDir> ScratchDir::Temporary(absl::string_view prefix) {
  const char* parent = getenv("TMPDIR");
  std::string path =
      absl::StrCat(parent != nullptr && *parent != '\0' ? parent : "/tmp", "/", prefix, ".XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("make ", path));
  return ScratchDir(std::move(path), true);
}

absl::StatusOr<ScratchDir> ScratchDir::At(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return ScratchDir(path, true);
  if (errno != EEXIST) return ErrnoStatus(errno, absl::StrCat("make ", path));
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is a file; name a directory that is empty, or that does not exist"));
  }
  if (info.st_uid != geteuid()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is a directory of user ", info.st_uid,
                                                      "; name one that does not exist"));
  }
  std::error_code error;
  if (!std::filesystem::is_empty(path, error) || error) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is not empty; name a directory that is, or that does not exist"));
  }
  return ScratchDir(path, false);
}

ScratchDir::ScratchDir(ScratchDir&& other) noexcept
    : path_(std::exchange(other.path_, std::string())), made_(other.made_) {}

ScratchDir::~ScratchDir() { Remove().IgnoreError(); }

std::string ScratchDir::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::Status ScratchDir::Remove() {
  if (path_.empty()) return absl::OkStatus();
  const std::string path = std::exchange(path_, std::string());
  std::error_code error;
  if (made_) {
    std::filesystem::remove_all(path, error);
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      std::error_code one;
      std::filesystem::remove_all(entry.path(), one);
      if (one) error = one;
    }
  }
  if (error) return absl::InternalError(absl::StrCat("remove ", path, ": ", error.message()));
  return absl::OkStatus();
}

}  // namespace entropyd
