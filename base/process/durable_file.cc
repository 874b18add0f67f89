#include "base/process/durable_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

// Where several pid namespaces share a directory.
constexpr int kTries = 8;

absl::Status WriteAndSync(const std::string& path, absl::string_view text) {
  const std::string what = absl::StrCat("write ", path);
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

// Whether a writer has left this beside `name`: of this process, which has one at a time, or of one
// that is gone, as far as this pid namespace tells. Versions up to 0.1.0 wrote NAME.new.
bool IsLeft(absl::string_view name, absl::string_view found) {
  if (!absl::ConsumePrefix(&found, absl::StrCat(name, ".new"))) return false;
  if (found.empty()) return true;
  pid_t pid = 0;
  if (!absl::ConsumePrefix(&found, ".") ||
      !absl::SimpleAtoi(found.substr(0, found.find('-')), &pid) || pid <= 0) {
    return false;
  }
  return pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH);
}

void RemoveWhatIsLeft(const std::string& directory, const std::string& name) {
  std::error_code error;
  for (auto at = std::filesystem::directory_iterator(directory, error);
       !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    if (IsLeft(name, at->path().filename().string())) unlink(at->path().c_str());
  }
}

// No other writer has this name, in whatever pid namespace it is, and nobody can foresee it.
std::string TemporaryOf(const std::string& path) {
  std::random_device random;
  return absl::StrCat(path, ".new.", getpid(), "-", absl::Hex(random(), absl::kZeroPad8));
}

// OK, or why not; then nothing is left. NOT_FOUND: a writer in another pid namespace took the new
// file for one that is left.
absl::Status Replace(const std::string& path, absl::string_view text) {
  const std::string temporary = TemporaryOf(path);
  absl::Status status = WriteAndSync(temporary, text);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("rename ", temporary, " to ", path));
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

}  // namespace

absl::Status WriteDurably(const std::string& path, absl::string_view text) {
  const std::string parent = std::filesystem::path(path).parent_path();
  const std::string directory = parent.empty() ? "." : parent;
  // Opened before the rename, so that afterwards only the disk itself can fail.
  UniqueFd holder(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!holder) return ErrnoStatus(errno, absl::StrCat("open ", directory));
  RemoveWhatIsLeft(directory, std::filesystem::path(path).filename());
  absl::Status status = Replace(path, text);
  for (int tries = 1; absl::IsNotFound(status) && tries < kTries; ++tries) {
    status = Replace(path, text);
  }
  if (!status.ok()) return status;
  if (fsync(holder.get()) == 0) return absl::OkStatus();
  const absl::Status sync = ErrnoStatus(errno, absl::StrCat("sync ", directory));
  return absl::DataLossError(absl::StrCat("a power cut may undo this: ", sync.message()));
}

}  // namespace entropyd
