#include "base/process/ports_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {

absl::Status WritePortsFile(const std::string& path,
                            const std::vector<std::pair<std::string, int>>& ports) {
  struct stat there;
  if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--ports-file: write ", path,
                     ": is no regular file; name one, or one that is not there yet"));
  }
  const std::string what = absl::StrCat("--ports-file: write ", path);
  std::string text;
  for (const auto& [name, port] : ports) {
    if (port != 0) absl::StrAppend(&text, name, "=", port, "\n");
  }
  const std::string temporary = absl::StrCat(path, ".new");
  // Neither written through, as somebody's link to a file of this user's, nor waited for, as a
  // FIFO.
  unlink(temporary.c_str());
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) {
    const absl::Status status = ErrnoStatus(errno, what);
    return absl::Status(status.code(), absl::StrCat(status.message(),
                                                    "; name a file in a directory that is there, "
                                                    "and that this user may write"));
  }
  const ssize_t wrote = write(fd.get(), text.data(), text.size());
  if (wrote != static_cast<ssize_t>(text.size())) {
    return ErrnoStatus(wrote < 0 ? errno : ENOSPC, what);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, what);
  }
  return absl::OkStatus();
}

}  // namespace entropyd
