#include "hostagent/endpoint/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hostagent/endpoint/group_lookup.h"
#include "hostagent/endpoint/socket_directory.h"
#include "hostagent/endpoint/tcp_address.h"

namespace entropyd {
namespace {

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "listen on ", path, ": the path has ", path.size(), " characters, a socket's at most ",
        sizeof address.sun_path - 1, "; choose a shorter one"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// Whether a process listens at `address`. A process with a full backlog listens, too.
bool IsLive(const sockaddr_un& address) {
  UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno == EAGAIN;
}

bool IsSame(const struct stat& found, const SocketFile& file) {
  return found.st_dev == file.device && found.st_ino == file.inode;
}

// A user who may write in the socket's directory may put a link in its place at any moment. So
// nothing is done by name: the descriptor is of exactly this socket, or of nothing.
absl::Status SetFileAccess(const std::string& path, const SocketFile& its,
                           const Listener::Options& options) {
  auto group = GroupAt(path, options.group);
  if (!group.ok()) return group.status();
  UniqueFd file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat found;
  if (!file || fstat(file.get(), &found) != 0) {
    return ErrnoStatus(errno, absl::StrCat("look at ", path));
  }
  if (!S_ISSOCK(found.st_mode) || !IsSame(found, its)) {
    return absl::FailedPreconditionError(
        absl::StrCat("look at ", path,
                     ": somebody has put something else in the socket's place; let nobody but "
                     "this program write in its directory"));
  }
  if ((found.st_uid != geteuid() || found.st_gid != *group) &&
      fchownat(file.get(), "", geteuid(), *group, AT_EMPTY_PATH) != 0) {
    return ErrnoStatus(errno,
                       absl::StrCat("give ", path, " to user ", geteuid(), " and group ",
                                    options.group.empty() ? absl::StrCat(*group) : options.group,
                                    " (run as root or as a member of it)"));
  }
  // There is no fchmod(2) for such a descriptor.
  const std::string itself = absl::StrCat("/proc/self/fd/", file.get());
  if (chmod(itself.c_str(), options.mode) != 0) {
    return ErrnoStatus(errno, absl::StrCat("chmod ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<gid_t> GroupAt(const std::string& path, const std::string& group) {
  if (!group.empty()) return FindGroup(group);
  struct stat directory;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (stat(parent.c_str(), &directory) == 0 && (directory.st_mode & S_ISGID) != 0) {
    return directory.st_gid;
  }
  return getegid();
}

absl::StatusOr<std::string> SocketPath(int socket) {
  sockaddr_un address{};
  socklen_t length = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return ErrnoStatus(errno, "name of a socket");
  }
  if (address.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path) ||
      address.sun_path[0] == '\0') {
    return absl::InvalidArgumentError("name of a socket: it is no unix socket with a path");
  }
  const size_t bytes = length - offsetof(sockaddr_un, sun_path);
  return std::string(address.sun_path, strnlen(address.sun_path, bytes));
}

absl::Status ClearSocketPath(const std::string& path) {
  auto address = AddressOf(path);
  if (!address.ok()) return address.status();
  if (auto status = MakeSafeDirectoryOf(path); !status.ok()) return status;
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, absl::StrCat("look at ", path));
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "listen on ", path, ": it is something else than a socket; choose another path"));
  }
  if (IsLive(*address)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "listen on ", path, ": another process listens there; stop it or choose another path"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat("remove stale socket ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Create(const Options& options, EventLoop* loop,
                                                           Accept accept, AcceptFailed failed) {
  if (auto status = ClearSocketPath(options.path); !status.ok()) return status;
  auto address = AddressOf(options.path);
  if (!address.ok()) return address.status();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoStatus(errno, "create unix socket");
  // The file gets the socket's mode, so that nobody connects before it has its group.
  if (fchmod(fd.get(), 0600) != 0) return ErrnoStatus(errno, "restrict unix socket");
  const std::string what = absl::StrCat("listen on ", options.path);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return ErrnoStatus(errno, what);
  }
  // From here on the destructor removes the file.
  std::unique_ptr<Listener> listener(
      new Listener(options.path, {std::move(fd)}, loop, std::move(accept), std::move(failed)));
  listener->Own();
  if (auto status = listener->SetAccess(options.mode, options.group); !status.ok()) return status;
  if (listen(listener->socket_.get(), kBacklog) != 0) return ErrnoStatus(errno, what);
  if (auto status = listener->Resume(); !status.ok()) return status;
  return listener;
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::CreateTcp(const std::string& address,
                                                              EventLoop* loop, Accept accept,
                                                              AcceptFailed failed) {
  auto parsed = ParseTcpAddress(address);
  if (!parsed.ok()) return parsed.status();
  UniqueFd fd(
      socket(parsed->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd) return ErrnoStatus(errno, "create TCP socket");
  // Connections of an agent that is gone linger for a minute. They would block the address for the
  // next agent.
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const std::string what = absl::StrCat("listen on ", address);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&parsed->storage), parsed->length) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    if (errno != EADDRNOTAVAIL) return ErrnoStatus(errno, what);
    return absl::UnavailableError(absl::StrCat(what, ": this machine has no such address now"));
  }
  std::unique_ptr<Listener> listener(
      new Listener(address, {std::move(fd)}, loop, std::move(accept), std::move(failed)));
  if (auto status = listener->Resume(); !status.ok()) return status;
  return listener;
}

Listener::Listener(std::string path, HandedOver handed_over, EventLoop* loop, Accept accept,
                   AcceptFailed failed)
    : path_(std::move(path)),
      socket_(std::move(handed_over.socket)),
      knows_file_(handed_over.file.has_value()),
      file_(handed_over.file.value_or(SocketFile())),
      loop_(loop),
      accept_(std::move(accept)),
      failed_(std::move(failed)),
      watch_(loop, this),
      pause_(loop, [this] { EndPause(); }) {}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Adopt(const std::string& path,
                                                          HandedOver handed_over, EventLoop* loop,
                                                          Accept accept, AcceptFailed failed) {
  const int socket = handed_over.socket.get();
  int listens = 0;
  socklen_t length = sizeof listens;
  if (getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || listens == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("adopt ", path, ": what was handed over is no listening socket"));
  }
  // A service manager's socket may block, and the loop must not.
  const int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, absl::StrCat("adopt ", path));
  }
  std::unique_ptr<Listener> listener(
      new Listener(path, std::move(handed_over), loop, std::move(accept), std::move(failed)));
  if (auto status = listener->Resume(); !status.ok()) return status;
  return listener;
}

absl::Status Listener::SetAccess(mode_t mode, const std::string& group) {
  return SetFileAccess(path_, file_, {path_, mode, group});
}

void Listener::Own() {
  owns_ = true;
  WatchFile();
}

void Listener::WatchFile() {
  watches_ = true;
  struct stat found;
  if (lstat(path_.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  if (knows_file_ && !IsSame(found, file_)) return;
  knows_file_ = true;
  file_ = {found.st_dev, found.st_ino, found.st_mode & 07777, found.st_gid};
}

void Listener::Disown() { owns_ = watches_ = false; }

bool Listener::IsItsFile() const {
  struct stat found;
  return file_.inode != 0 && lstat(path_.c_str(), &found) == 0 && IsSame(found, file_);
}

bool Listener::FileIsLost() const { return watches_ && !IsItsFile(); }

Listener::~Listener() {
  if (owns_ && IsItsFile()) unlink(path_.c_str());
}

void LogWaiting(const std::string& path, const absl::Status& why, absl::string_view remedy,
                Log* log) {
  log->Error("listener.waiting", {{"path", path},
                                  {"reason", why},
                                  {"remedy", absl::StrCat(remedy, "; tried again every second")}});
}

void LogLost(const std::string& path, const absl::Status& made, Log* log) {
  log->Warning("listener.lost",
               {{"path", path},
                {"reason", made.ok() ? "somebody has removed or replaced its file"
                                     : std::string(made.message())},
                {"remedy",
                 made.ok() ? "none needed: it was made anew; let nobody else write in its directory"
                           : "mend what the reason names; tried again every second"}});
}

absl::Status Listener::Resume() { return watch_.Begin(socket_.get(), EPOLLIN); }

void Listener::Pause(const absl::Status& why) {
  // A watch for no events would still report a socket that was shut down, again and again.
  watch_.End();
  pause_.Set(loop_->now_nanos() + kPauseNanos);
  failed_(why);
}

void Listener::EndPause() {
  if (auto status = Resume(); !status.ok()) pause_.Set(loop_->now_nanos() + kPauseNanos);
}

void Listener::OnEvents(uint32_t) {
  // The watch is level-triggered: a peer that still waits makes an event of the next turn.
  int* const left = &loop_->left()->accepts;
  while (*left > 0) {
    --*left;
    UniqueFd socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      accept_(std::move(socket));
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return;
      case EINTR:
      case ECONNABORTED:
        continue;
      default:  // EMFILE, ENFILE, ENOBUFS, ENOMEM
        return Pause(ErrnoStatus(errno, absl::StrCat("accept on ", path_)));
    }
  }
}

}  // namespace entropyd
