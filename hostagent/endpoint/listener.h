// A socket that guests connect to: a unix socket, or a TCP port for programs that know no other.
//
//   auto listener = Listener::Create({.path = "/run/entropyd/egd.sock", .mode = 0660,
//                                     .group = "libvirt-qemu"}, &loop, accept, failed).value();
//
// In each turn of the loop it accepts some of those who wait, so that a program that connects again
// and again keeps nobody from being served. When descriptors or memory run out, it pauses and
// leaves the others in the backlog: they are connected, and served as soon as there is room.
//
// Errors: of Create(), CreateTcp() and Adopt(); see there. Later errors go to `failed`.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "base/process/fd.h"
#include "base/process/nanos.h"
#include "base/telemetry/log.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"
#include "hostagent/loop/timer.h"

namespace entropyd {

// The file at a socket's path that is this socket's.
struct SocketFile {
  // As stat(2) says. 0 = there is none.
  dev_t device = 0;
  ino_t inode = 0;
  // Permissions only.
  mode_t mode = 0;
  gid_t group = 0;
};

class Listener final : public EventLoop::Handler {
 public:
  // QEMU connects synchronously: a full backlog would freeze the guest's whole process.
  static constexpr int kBacklog = 4096;
  // Descriptors come back when other connections end. To try more often would only cost time.
  static constexpr int64_t kPauseNanos = 250 * kMillisecondNanos;

  struct Options {
    std::string path;
    mode_t mode = 0660;
    // Empty = the group that a new file gets there (GroupAt).
    std::string group;
  };
  // A socket that another process has made.
  struct HandedOver {
    UniqueFd socket;
    // Its file, as that process knows it; nullopt = the socket file that stands at the path.
    absl::optional<SocketFile> file = absl::nullopt;
  };
  // Gets each new socket, non-blocking and close-on-exec.
  using Accept = std::function<void(UniqueFd socket)>;
  // Called when the listener pauses, with the reason.
  using AcceptFailed = std::function<void(const absl::Status&)>;

  // Makes the directory if it is missing, replaces the socket file of a process that is gone, and
  // listens.
  //
  // Errors: ALREADY_EXISTS (another process listens there, or the path is no socket), NOT_FOUND
  // (group), PERMISSION_DENIED, INVALID_ARGUMENT (path too long), FAILED_PRECONDITION (others may
  // write in its directory; CheckSocketDirectory()).
  static absl::StatusOr<std::unique_ptr<Listener>> Create(const Options& options, EventLoop* loop,
                                                          Accept accept, AcceptFailed failed);
  // The same on a TCP address (hostagent/endpoint/tcp_address.h), which is its path then. There is
  // no file. Errors: INVALID_ARGUMENT (address), UNAVAILABLE (this machine does not have the
  // address now), of the socket.
  static absl::StatusOr<std::unique_ptr<Listener>> CreateTcp(const std::string& address,
                                                             EventLoop* loop, Accept accept,
                                                             AcceptFailed failed);
  // Listens on a socket that another process has handed over. The file stays that process's until
  // Own(). Errors: of the watch; INVALID_ARGUMENT when the socket does not listen.
  static absl::StatusOr<std::unique_ptr<Listener>> Adopt(const std::string& path,
                                                         HandedOver handed_over, EventLoop* loop,
                                                         Accept accept, AcceptFailed failed);
  // Removes the socket file, if it is still this listener's.
  ~Listener();

  // Gives the socket file this mode and group, and this process's user. Errors: NOT_FOUND (group),
  // of the file.
  absl::Status SetAccess(mode_t mode, const std::string& group);

  // The socket file is this listener's from now on. Another file that stands in its place is not:
  // FileIsLost().
  void Own();
  // The same, but the socket file is another's, who made it for this listener, such as the service
  // manager.
  void WatchFile();
  // The socket file is another process's from now on.
  void Disown();
  // After Own() or WatchFile(): the socket file is gone or is another one. Nobody can connect.
  bool FileIsLost() const;
  // As it was at Own() or WatchFile(), or before. Its inode is 0 when there was none.
  const SocketFile& file() const { return file_; }
  int fd() const { return socket_.get(); }
  const std::string& path() const { return path_; }

  void OnEvents(uint32_t events) override;

 private:
  Listener(std::string path, HandedOver handed_over, EventLoop* loop, Accept accept,
           AcceptFailed failed);
  absl::Status Resume();
  bool IsItsFile() const;
  void EndPause();
  void Pause(const absl::Status& why);

  const std::string path_;
  UniqueFd socket_;
  // The socket file is this listener's.
  bool owns_ = false;
  // FileIsLost() looks.
  bool watches_ = false;
  // `file_` tells this socket's file from others. While the socket is open, no other file gets its
  // numbers.
  bool knows_file_ = false;
  SocketFile file_;
  EventLoop* const loop_;
  const Accept accept_;
  const AcceptFailed failed_;
  FdWatch watch_;
  Timer pause_;
};

// Makes `path` free for a socket. It makes the directory (mode 0755) when it is missing, and
// removes the socket file of a process that is gone. Errors: as of Listener::Create.
absl::Status ClearSocketPath(const std::string& path);

// The path that a unix socket is bound to. Errors: INVALID_ARGUMENT when it is no unix socket or
// has no path.
absl::StatusOr<std::string> SocketPath(int socket);

// The id of the group that a file at `path` is to have: the one that FindGroup says. An empty
// `group` is the one that the kernel gives a new file there: the process's own, or that of a
// directory with the set-group-ID bit. Errors: of FindGroup.
absl::StatusOr<gid_t> GroupAt(const std::string& path, const std::string& group);

// Says in the log why a socket or a pipe is not open yet, and what to do.
void LogWaiting(const std::string& path, const absl::Status& why, absl::string_view remedy,
                Log* log);
// Says in the log that the file of a socket was lost, and whether it was made again.
void LogLost(const std::string& path, const absl::Status& made, Log* log);

}  // namespace entropyd
