#include "client/process/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"
#include "base/process/read_file.h"

namespace entropyd {

absl::Status WriteFile(const std::string& path, absl::string_view contents, int mode) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("open ", path));
  while (!contents.empty()) {
    const ssize_t n = write(fd.get(), contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("write ", path));
    contents.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return CannotOpen(errno, absl::StrCat("read ", path));
  std::string contents;
  char piece[65536];
  for (;;) {
    const ssize_t n = read(fd.get(), piece, sizeof(piece));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EISDIR) {
      return absl::InvalidArgumentError(
          absl::StrCat("read ", path, ": it is a directory; give a file"));
    }
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", path));
    if (n == 0) return contents;
    contents.append(piece, static_cast<size_t>(n));
  }
}

}  // namespace entropyd
