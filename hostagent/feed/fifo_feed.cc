#include "hostagent/feed/fifo_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "hostagent/endpoint/listener.h"
#include "hostagent/endpoint/socket_directory.h"

namespace entropyd {

static_assert(FifoFeed::kFillBytes <= Feed::kMaxPut);

absl::StatusOr<std::unique_ptr<FifoFeed>> FifoFeed::Open(Options options, ConnectionHost* host,
                                                         ServedClass* served_class) {
  const std::string what = absl::StrCat("open pipe ", options.path);
  if (auto status = MakeSafeDirectoryOf(options.path); !status.ok()) return status;
  auto group = GroupAt(options.path, options.group);
  if (!group.ok()) return group.status();
  const bool made = mkfifo(options.path.c_str(), 0600) == 0;
  if (!made && errno != EEXIST) return ErrnoStatus(errno, absl::StrCat("make pipe ", options.path));
  // Looks before it opens: to open a device may have an effect.
  struct stat found;
  if (lstat(options.path.c_str(), &found) != 0) return ErrnoStatus(errno, what);
  if (!S_ISFIFO(found.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(what, ": it is something else than a pipe; choose another path"));
  }
  if (found.st_uid != geteuid()) {
    return absl::AlreadyExistsError(
        absl::StrCat(what, ": it belongs to user ", found.st_uid,
                     ", who could write into it; remove it, the agent makes its own"));
  }
  // Opened for reading, too. Then readers see no end of file, and the writer no ENXIO.
  UniqueFd fd(open(options.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return ErrnoStatus(errno, what);
  struct stat opened;
  if (fstat(fd.get(), &opened) != 0) return ErrnoStatus(errno, what);
  if (opened.st_dev != found.st_dev || opened.st_ino != found.st_ino) {
    return absl::AbortedError(absl::StrCat(what, ": it was replaced meanwhile; start again"));
  }
  return std::unique_ptr<FifoFeed>(
      new FifoFeed(std::move(options), *group, made, std::move(fd), host, served_class));
}

FifoFeed::FifoFeed(Options options, gid_t group, bool made, UniqueFd fd, ConnectionHost* host,
                   ServedClass* served_class)
    : Feed(absl::StrCat("fifo:", options.path), host, served_class),
      options_(std::move(options)),
      group_(group),
      remove_(made),
      fd_(std::move(fd)),
      watch_(host->loop, this) {}

FifoFeed::~FifoFeed() {
  if (remove_ && IsItsFile()) unlink(options_.path.c_str());
}

bool FifoFeed::IsItsFile() const {
  struct stat own, found;
  return fstat(fd_.get(), &own) == 0 && lstat(options_.path.c_str(), &found) == 0 &&
         own.st_dev == found.st_dev && own.st_ino == found.st_ino;
}

absl::Status FifoFeed::Start() {
  struct stat found;
  if (fstat(fd_.get(), &found) != 0) {
    return ErrnoStatus(errno, absl::StrCat("look at ", options_.path));
  }
  // Its user is this process's: Open() has looked.
  if (found.st_gid != group_ && fchown(fd_.get(), static_cast<uid_t>(-1), group_) != 0) {
    return ErrnoStatus(errno,
                       absl::StrCat("give ", options_.path, " to group ",
                                    options_.group.empty() ? absl::StrCat(group_) : options_.group,
                                    " (run as root or as a member of it)"));
  }
  if (fchmod(fd_.get(), options_.mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chmod ", options_.path));
  }
  // The kernel refuses this for a pipe that holds more unread bytes. Such a pipe works, but keeps
  // more.
  fcntl(fd_.get(), F_SETPIPE_SZ, static_cast<int>(kFillBytes));
  if (auto status = watch_.Begin(fd_.get(), EPOLLOUT); !status.ok()) return status;
  remove_ = false;
  Join();
  return absl::OkStatus();
}

void FifoFeed::OnEvents(uint32_t events) {
  if ((events & EPOLLOUT) == 0) return;
  filled_ = 0;
  // The pipe stays writable until bytes come, however long that takes.
  watch_.Modify(0);
  Touch();
}

void FifoFeed::Put(absl::Span<uint8_t> bytes) {
  const ssize_t n = write(fd_.get(), bytes.data(), bytes.size());
  // The bytes fit, unless somebody else has written. Then they are lost, and the pipe is full.
  filled_ = n == static_cast<ssize_t>(bytes.size()) ? filled_ + bytes.size() : kFillBytes;
  if (filled_ == kFillBytes) watch_.Modify(EPOLLOUT);
}

}  // namespace entropyd
