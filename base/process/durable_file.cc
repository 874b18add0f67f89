#include "base/process/durable_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

absl::Status WriteAndSync(const std::string& path, absl::string_view text) {
  const std::string what = absl::StrCat("write ", path);
  // A crash has left it; or it is somebody's link to a file of this user's, or a FIFO.
  unlink(path.c_str());
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, what);
  while (!text.empty()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, what);
    text.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoStatus(errno, what);
}

}  // namespace

absl::Status WriteDurably(const std::string& path, absl::string_view text) {
  const std::string parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? "." : parent;
  // Opened before the rename, so that afterwards only the disk itself can fail.
  UniqueFd holder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!holder) return ErrnoStatus(errno, absl::StrCat("open ", directory));
  const std::string temporary = absl::StrCat(path, ".new");
  absl::Status status = WriteAndSync(temporary, text);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("rename ", temporary, " to ", path));
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  if (fsync(holder.get()) == 0) return absl::OkStatus();
  const absl::Status sync = ErrnoStatus(errno, absl::StrCat("sync ", directory));
  return absl::DataLossError(absl::StrCat("a power cut may undo this: ", sync.message()));
}

}  // namespace entropyd
