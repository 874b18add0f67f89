#include "hostagent/endpoint/socket_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

// The group's bits of the mode are then what the ACL may give to anybody.
bool HasAcl(const std::string& directory) {
  return getxattr(directory.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

bool OthersMayWrite(const std::string& directory, const struct stat& found) {
  if ((found.st_mode & S_ISVTX) != 0) return false;
  if ((found.st_mode & S_IWOTH) != 0) return true;
  if ((found.st_mode & S_IWGRP) == 0) return false;
  // A user's own group is often the user alone. Who runs the agent as a user has chosen the group.
  const bool own = found.st_gid == 0 || (geteuid() != 0 && found.st_gid == getegid());
  return !own || HasAcl(directory);
}

// In a user namespace whoever has no number there looks like one user, and root is among them.
bool IsRootOutside(uid_t uid) {
  std::ifstream map("/proc/self/uid_map");
  std::string inside, outside, count;
  map >> inside >> outside >> count;
  if (inside == "0" && outside == "0" && count == "4294967295") return false;
  uid_t overflow = 65534;
  std::ifstream("/proc/sys/kernel/overflowuid") >> overflow;
  return uid == overflow;
}

absl::Status Unsafe(const std::string& path, const std::string& directory, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(
      "use ", path, ": ", directory, " ", why,
      ", who could put another file in its place and give guests bytes of their own; let nobody "
      "but root and the agent's user write there (chmod go-w), or choose another path"));
}

}  // namespace

absl::Status MakeDirectoryOf(const std::string& path) {
  std::filesystem::path directory;
  for (const std::filesystem::path& name : std::filesystem::path(path).parent_path()) {
    directory /= name;
    if (mkdir(directory.c_str(), 0755) != 0) {
      struct stat found;
      if (stat(directory.c_str(), &found) == 0 && S_ISDIR(found.st_mode)) continue;
      return ErrnoStatus(errno == 0 ? ENOTDIR : errno,
                         absl::StrCat("create directory ", directory.string()));
    }
    // Whatever the umask is: a service's umask is strict, and hypervisors of another user must
    // pass. By descriptor: the name may be a link by now.
    UniqueFd made(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat found;
    if (made && fstat(made.get(), &found) == 0 && found.st_uid == geteuid()) {
      fchmod(made.get(), 0755);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSocketDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::path directory =
      std::filesystem::weakly_canonical(std::filesystem::path(path).parent_path(), error);
  if (error) return absl::OkStatus();  // whoever opens the file is told
  while (!directory.empty()) {
    struct stat found;
    if (stat(directory.c_str(), &found) == 0) {
      if (found.st_uid != 0 && found.st_uid != geteuid() && !IsRootOutside(found.st_uid)) {
        return Unsafe(path, directory, absl::StrCat("belongs to user ", found.st_uid));
      }
      if (OthersMayWrite(directory, found)) {
        return Unsafe(path, directory, "may be written by others");
      }
    }
    if (!directory.has_relative_path()) break;
    directory = directory.parent_path();
  }
  return absl::OkStatus();
}

}  // namespace entropyd
