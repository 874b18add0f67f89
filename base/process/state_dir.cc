#include "base/process/state_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// The longest part of `path` that is there.
std::string ExistingPartOf(const std::string& path) {
  std::filesystem::path part = path;
  std::error_code error;
  // A link that leads nowhere is there: nothing can be made in its place.
  while (part.has_relative_path() && std::filesystem::symlink_status(part, error).type() ==
                                         std::filesystem::file_type::not_found) {
    part = part.parent_path();
  }
  return part.string();
}

bool LeadsNowhere(const std::string& path) {
  struct stat found;
  return lstat(path.c_str(), &found) == 0 && S_ISLNK(found.st_mode) &&
         stat(path.c_str(), &found) != 0;
}

absl::Status CannotMake(int error, absl::string_view what) {
  const absl::Status status = ErrnoStatus(error, what);
  return absl::Status(status.code(),
                      absl::StrCat(status.message(), "; let the user who runs this program write ",
                                   "there, or name another directory"));
}

}  // namespace

// Makes a directory in `place` and removes it: /proc and a file system that is mounted read-only
// take none, whatever their modes say. Other faults may pass: the service may have rights that its
// caller lacks, and a full disk is no fault of the configuration.
absl::Status CheckPlaceFor(const std::string& path, const std::string& place) {
  std::string probe = absl::StrCat(place, "/.entropyd-check-XXXXXX");
  if (mkdtemp(probe.data()) != nullptr) {
    rmdir(probe.c_str());
    return absl::OkStatus();
  }
  if (errno != EROFS && errno != ENOENT) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("'", path, "' cannot be kept in ", place, ": ",
                                                 std::strerror(errno),
                                                 "; name a directory that can be written"));
}

absl::Status CheckNewFile(const std::string& path) {
  const std::string place = ExistingPartOf(path);
  if (!LeadsNowhere(place)) return CheckPlaceFor(path, place);
  return absl::InvalidArgumentError(absl::StrCat(
      "'", path, "': ", place, " is a link that leads nowhere; make what it leads to"));
}

absl::Status CheckStateDir(const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is not an absolute path"));
  }
  struct stat found;
  if (stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return CheckPlaceFor(path, path);
  } else if (errno != ENOTDIR) {
    return CheckNewFile(path);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", path, "' is a file, or leads through one; name a directory"));
}

absl::Status MakeStateDir(const std::string& path) {
  // What cannot be made here, mkdir() tells of.
  std::error_code error;
  const std::filesystem::path whole = path;
  const std::filesystem::path directory = whole.has_filename() ? whole : whole.parent_path();
  std::filesystem::create_directories(directory.parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return CannotMake(errno, absl::StrCat("create state_dir ", path));
  }
  const UniqueFd opened(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) {
    return CannotMake(errno, absl::StrCat("write in state_dir ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> LockStateDir(const std::string& path) {
  // The directory itself: a file in it could not be made on a full disk.
  UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return UniqueFd();
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno != EWOULDBLOCK) return UniqueFd();
  return absl::AlreadyExistsError(absl::StrCat("use state_dir ", path,
                                               ": another process uses it; stop that one, or give "
                                               "each its own"));
}

bool IsEmptyFile(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0;
}

}  // namespace entropyd
