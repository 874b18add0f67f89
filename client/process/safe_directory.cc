#include "client/process/safe_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

constexpr int kPlace = O_PATH | O_NOFOLLOW | O_CLOEXEC;
// Of directories that are made on the way; others pass them.
constexpr mode_t kOnTheWay = 0755;

absl::Status Unsafe(const std::string& what, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(what, " ", why));
}

bool OthersMayWrite(const struct stat& file) {
  const bool own_group = geteuid() != 0 && file.st_gid == getegid();
  return (file.st_mode & S_IWOTH) != 0 || ((file.st_mode & S_IWGRP) != 0 && !own_group);
}

absl::Status CheckOurs(const struct stat& file, const std::string& path) {
  if (file.st_uid != 0 && file.st_uid != geteuid()) {
    return Unsafe(path, absl::StrCat("belongs to user ", file.st_uid));
  }
  return OthersMayWrite(file) ? Unsafe(path, "may be written by others") : absl::OkStatus();
}

// Whether what is ours in the directory stays there. `ends`: and nobody adds anything.
absl::Status CheckDirectory(int directory, const std::string& path, bool ends) {
  struct stat found;
  if (fstat(directory, &found) != 0) return ErrnoStatus(errno, absl::StrCat("look at ", path));
  if (!ends && (found.st_mode & S_ISVTX) != 0) found.st_mode &= ~mode_t{S_IWGRP | S_IWOTH};
  return CheckOurs(found, path);
}

// Whatever the umask is.
absl::Status MakeOnTheWay(int parent, const std::string& name, const std::string& path) {
  if (mkdirat(parent, name.c_str(), kOnTheWay) != 0) {
    return ErrnoStatus(errno, absl::StrCat("make ", path));
  }
  const UniqueFd made(
      openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (made && fchmod(made.get(), kOnTheWay) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("set the mode of ", path));
}

// The place of one directory in another.
absl::StatusOr<UniqueFd> Enter(int parent, const std::string& name, const std::string& path,
                               Missing missing) {
  UniqueFd found(openat(parent, name.c_str(), kPlace));
  if (!found && errno == ENOENT && missing == Missing::kIsMade) {
    const std::string above = std::filesystem::path(path).parent_path();
    if (auto status = CheckDirectory(parent, above, /*ends=*/true); !status.ok()) return status;
    if (auto status = MakeOnTheWay(parent, name, path); !status.ok()) return status;
    found.reset(openat(parent, name.c_str(), kPlace));
  }
  struct stat file;
  if (!found || fstat(found.get(), &file) != 0) {
    return ErrnoStatus(errno, absl::StrCat("enter ", path));
  }
  if (S_ISLNK(file.st_mode)) return Unsafe(path, "is a link");
  if (!S_ISDIR(file.st_mode)) return Unsafe(path, "is no directory");
  return found;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenSafeDirectory(const std::string& path, Missing missing) {
  const std::filesystem::path whole(path);
  if (!whole.is_absolute()) return Unsafe(path, "is not an absolute path");
  std::filesystem::path where = "/";
  UniqueFd at(open("/", kPlace));
  if (auto status = CheckDirectory(at.get(), where, /*ends=*/false); !status.ok()) return status;
  for (const std::filesystem::path& name : whole.relative_path()) {
    if (name.empty()) continue;  // behind a slash at the end
    where /= name;
    absl::StatusOr<UniqueFd> next = Enter(at.get(), name, where, missing);
    if (!next.ok()) return next.status();
    at = *std::move(next);
    if (auto status = CheckDirectory(at.get(), where, /*ends=*/false); !status.ok()) return status;
  }
  if (auto status = CheckDirectory(at.get(), where, /*ends=*/true); !status.ok()) return status;
  return at;
}

absl::Status CheckSafeFile(const std::string& path) {
  const std::filesystem::path whole(path);
  const absl::StatusOr<UniqueFd> directory =
      OpenSafeDirectory(whole.parent_path(), Missing::kIsAnError);
  if (!directory.ok()) return directory.status();
  struct stat found;
  if (fstatat(directory->get(), whole.filename().c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, absl::StrCat("look at ", path));
  }
  return S_ISREG(found.st_mode) ? CheckOurs(found, path) : Unsafe(path, "is no file");
}

}  // namespace entropyd
