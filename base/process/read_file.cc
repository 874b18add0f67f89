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
  if (S_ISDIR(mode)) return "a directory";
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
  if (S_ISREG(file.st_mode) || IsOpenedPipe(fd)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": it is ", KindOf(file.st_mode), "; give a regular file"));
}

// Writing a file of this size takes less than a reading and a half, unless somebody writes on.
constexpr int kReadings = 3;

// Whether the file is the one that it was. Only of regular files this says anything.
bool IsUnchanged(int fd, const struct stat& before) {
  struct stat now;
  if (!S_ISREG(before.st_mode) || fstat(fd, &now) != 0) return true;
  const auto same = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return now.st_size == before.st_size && same(now.st_mtim, before.st_mtim) &&
         same(now.st_ctim, before.st_ctim);
}

absl::Status ReadOnce(int fd, absl::string_view what, size_t most, std::string* text) {
  text->clear();
  char buffer[16384];
  while (text->size() < most) {
    const ssize_t n = read(fd, buffer, std::min(sizeof buffer, most - text->size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, what);
    if (n == 0) break;
    text->append(buffer, static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

bool EverybodyMayRead(const std::string& path) {
  struct stat file;
  return stat(path.c_str(), &file) == 0 && (file.st_mode & S_IROTH) != 0;
}

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
  for (int i = 0; i < kReadings; ++i) {
    struct stat before = {};
    if (fstat(fd.get(), &before) != 0) return ErrnoStatus(errno, what);
    if (S_ISREG(before.st_mode)) lseek(fd.get(), 0, SEEK_SET);
    absl::Status status = ReadOnce(fd.get(), what, most, &text);
    if (!status.ok()) return status;
    if (IsUnchanged(fd.get(), before)) return text;
  }
  return absl::UnavailableError(
      absl::StrCat(what, ": somebody writes it; try again when it is whole"));
}

}  // namespace entropyd
