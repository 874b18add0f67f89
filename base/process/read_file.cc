#include "base/process/read_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

const char* KindOf(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

// A pipe without a name has a writer, or had one: it ends.
bool IsOpenedPipe(int fd) {
  struct statfs where;
  return fstatfs(fd, &where) == 0 && where.f_type == PIPEFS_MAGIC;
}

absl::Status CheckKind(int fd, absl::string_view what) {
  struct stat file;
  if (fstat(fd, &file) != 0) return ErrnoStatus(errno, what);
  // read(2) says what is wrong with a directory.
  if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode) || IsOpenedPipe(fd)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": it is ", KindOf(file.st_mode), "; give a regular file"));
}

}  // namespace

absl::Status CannotOpen(int err, absl::string_view what) {
  const absl::Status status = ErrnoStatus(err, what);
  const absl::string_view remedy = absl::IsNotFound(status) ? "; correct the path"
                                   : absl::IsPermissionDenied(status)
                                       ? "; let the user who runs this program read it"
                                       : "";
  return absl::Status(status.code(), absl::StrCat(status.message(), remedy));
}

absl::StatusOr<std::string> ReadFileAtMost(const std::string& path, absl::string_view what,
                                           size_t most) {
  // Non-blocking until its kind is known: open(2) of a FIFO would wait for a writer.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return CannotOpen(errno, what);
  if (absl::Status status = CheckKind(fd.get(), what); !status.ok()) return status;
  fcntl(fd.get(), F_SETFL, 0);
  std::string text;
  char buffer[16384];
  while (text.size() < most) {
    const ssize_t n = read(fd.get(), buffer, std::min(sizeof buffer, most - text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, what);
    if (n == 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

}  // namespace entropyd
