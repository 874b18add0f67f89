#include "hostagent/endpoint/socket_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

// A link that leads to a link that leads … The kernel follows as many.
constexpr int kMaxLinks = 40;

// The group's bits of the mode are then what the ACL may give to anybody. An O_PATH descriptor has
// no attributes of its own.
bool HasAcl(int directory) {
  const std::string itself = absl::StrCat("/proc/self/fd/", directory);
  const ssize_t bytes = getxattr(itself.c_str(), "system.posix_acl_access", nullptr, 0);
  // Who cannot tell whether there is one must not trust the group's bits.
  return bytes > 0 || (bytes < 0 && errno != ENODATA && errno != ENOTSUP);
}

bool OthersMayWrite(int directory, const struct stat& found) {
  if ((found.st_mode & S_ISVTX) != 0) return false;
  if ((found.st_mode & S_IWOTH) != 0) return true;
  if ((found.st_mode & S_IWGRP) == 0) return false;
  // A user's own group is often the user alone. Who runs the agent as a user has chosen the group.
  const bool own = found.st_gid == 0 || (geteuid() != 0 && found.st_gid == getegid());
  return !own || HasAcl(directory);
}

// In a user namespace all users without a number there look like one user, and root is among them.
bool IsRootOutside(uid_t uid) {
  std::ifstream map("/proc/self/uid_map");
  std::string inside, outside, count;
  map >> inside >> outside >> count;
  if (inside == "0" && outside == "0" && count == "4294967295") return false;
  uid_t overflow = 65534;
  std::ifstream("/proc/sys/kernel/overflowuid") >> overflow;
  return uid == overflow;
}

bool IsTrusted(uid_t uid) { return uid == 0 || uid == geteuid() || IsRootOutside(uid); }

// Goes from the root to a directory, name by name, and looks at all that could lead elsewhere: each
// directory on the way, and each link.
class Walk {
 public:
  // Of the file at `path`, for messages.
  explicit Walk(const std::string& path) : path_(path) {}

  // `directory` is absolute. Call it once.
  absl::Status To(const std::filesystem::path& directory) {
    Expect(directory);
    while (!names_.empty()) {
      const std::string name = std::move(names_.back());
      names_.pop_back();
      if (name.empty()) continue;  // behind a slash at the end
      if (auto status = Enter(name); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  void Expect(const std::filesystem::path& names) {
    const std::vector<std::string> parts(names.begin(), names.end());
    names_.insert(names_.end(), parts.rbegin(), parts.rend());
  }

  // Errors: FAILED_PRECONDITION.
  absl::Status Enter(const std::string& name) {
    const std::filesystem::path where = (where_ / name).lexically_normal();
    UniqueFd found(
        openat(at_ ? at_.get() : AT_FDCWD, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat file;
    if (!found || fstat(found.get(), &file) != 0) return GiveUp();
    const bool link = S_ISLNK(file.st_mode);
    if (!link && !S_ISDIR(file.st_mode)) return GiveUp();
    if (!IsTrusted(file.st_uid)) {
      return Unsafe(absl::StrCat(link ? "the link " : "", where.string()),
                    absl::StrCat("belongs to user ", file.st_uid));
    }
    if (link) return Follow(found.get());
    if (OthersMayWrite(found.get(), file))
      return Unsafe(where.string(), "may be written by others");
    at_ = std::move(found);
    where_ = where;
    return absl::OkStatus();
  }

  absl::Status Follow(int link) {
    char target[PATH_MAX];
    const ssize_t length = readlinkat(link, "", target, sizeof target);
    if (length <= 0 || ++links_ > kMaxLinks) return GiveUp();
    Expect(std::string(target, static_cast<size_t>(length)));
    return absl::OkStatus();
  }

  // A missing directory is no fault; other faults are reported when the file is opened.
  absl::Status GiveUp() {
    names_.clear();
    return absl::OkStatus();
  }

  absl::Status Unsafe(const std::string& what, absl::string_view why) const {
    return absl::FailedPreconditionError(absl::StrCat(
        "use ", path_, ": ", what, " ", why,
        ", who could put another file in its place and give guests bytes of their own; let nobody "
        "but root and the agent's user write there (chmod go-w), or choose another path"));
  }

  const std::string path_;
  // Where it is; closed = nowhere yet.
  UniqueFd at_;
  std::filesystem::path where_;
  // What is left of the way, the next name last.
  std::vector<std::string> names_;
  int links_ = 0;
};

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
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  if (error) return absl::OkStatus();  // reported when the file is opened
  return Walk(path).To(whole.parent_path());
}

absl::Status MakeSafeDirectoryOf(const std::string& path) {
  if (auto status = CheckSocketDirectory(path); !status.ok()) return status;
  if (auto status = MakeDirectoryOf(path); !status.ok()) return status;
  // Where others may add files, one may have been faster.
  return CheckSocketDirectory(path);
}

}  // namespace entropyd
