#include "hostagent/host_id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/crypto/kernel_random.h"
#include "base/process/fd.h"
#include "base/process/read_file.h"
#include "base/process/state_dir.h"

namespace entropyd {
namespace {

// NOT_FOUND also when the file is empty: a crash or a full disk has left it, and it holds no id.
absl::StatusOr<std::string> Read(const std::string& path) {
  // One byte more than the digits and a newline.
  const absl::StatusOr<std::string> text =
      ReadFileAtMost(path, absl::StrCat("read ", path), 2 * kHostIdBytes + 2);
  if (!text.ok()) return text.status();
  if (text->empty()) return absl::NotFoundError(absl::StrCat(path, " is empty"));
  const absl::string_view digits = absl::StripSuffix(*text, "\n");
  bool good = digits.size() == 2 * kHostIdBytes;
  for (char c : digits) good = good && absl::ascii_isxdigit(c);
  if (!good) {
    return absl::FailedPreconditionError(
        absl::StrCat("read ", path, ": not ", 2 * kHostIdBytes,
                     " hexadecimal digits; remove the file to get a new identity"));
  }
  return absl::HexStringToBytes(digits);
}

absl::Status WriteAll(int fd, const std::string& path, const std::string& text) {
  if (write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, absl::StrCat("write ", path));
}

absl::Status WriteNew(const std::string& path, const std::string& text) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("create ", path));
  return WriteAll(fd.get(), path, text);
}

// Writes into the file if it is still empty. When several processes do it at once, one does.
absl::Status FillEmpty(const std::string& path, const std::string& text) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || flock(fd.get(), LOCK_EX) != 0) return ErrnoStatus(errno, absl::StrCat("fill ", path));
  struct stat file;
  if (fstat(fd.get(), &file) != 0) return ErrnoStatus(errno, absl::StrCat("fill ", path));
  return file.st_size > 0 ? absl::OkStatus() : WriteAll(fd.get(), path, text);
}

// Makes the file, complete or not at all, unless another process was first. Then its file counts.
absl::Status Publish(const std::string& path, const std::string& text, bool* was_empty) {
  const std::string fresh = absl::StrCat(path, ".", gettid());
  unlink(fresh.c_str());  // a thread with this id left it when its process crashed
  if (auto status = WriteNew(fresh, text); !status.ok()) {
    unlink(fresh.c_str());
    return status;
  }
  // Unlike rename(), link() fails when there is a file.
  const int linked = link(fresh.c_str(), path.c_str());
  const int link_error = errno;
  unlink(fresh.c_str());
  if (linked == 0) return absl::OkStatus();
  if (link_error != EEXIST) return ErrnoStatus(link_error, absl::StrCat("create ", path));
  if (was_empty != nullptr) *was_empty = IsEmptyFile(path);
  return FillEmpty(path, text);
}

std::string PathOf(const std::string& state_dir) { return absl::StrCat(state_dir, "/host_id"); }

}  // namespace

absl::Status CheckHostId(const std::string& state_dir) {
  const absl::Status status = Read(PathOf(state_dir)).status();
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::string> LoadOrCreateHostId(const std::string& state_dir, bool* was_empty) {
  const std::string path = PathOf(state_dir);
  auto existing = Read(path);
  if (existing.ok() || !absl::IsNotFound(existing.status())) return existing;

  if (auto made = MakeStateDir(state_dir); !made.ok()) return made;
  uint8_t id[kHostIdBytes];
  if (!FillFromKernel(absl::MakeSpan(id))) {
    return ErrnoStatus(errno, "make host_id: getrandom");
  }
  const absl::string_view bytes(reinterpret_cast<const char*>(id), sizeof id);
  const std::string text = absl::StrCat(absl::BytesToHexString(bytes), "\n");
  if (auto status = Publish(path, text, was_empty); !status.ok()) return status;
  UniqueFd directory(open(state_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) fsync(directory.get());
  return Read(path);
}

}  // namespace entropyd
