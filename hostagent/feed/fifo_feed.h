// A named pipe that is kept full. It is for programs that can only read a file, such as QEMU's
// `rng-random`, and OpenStack, which gives all guests of a host one path (`rng_dev_path`).
//
//   auto fifo = FifoFeed::Open({.path = "/run/entropyd/fifo/bulk", .group = "libvirt-qemu"}, &host,
//                              served_class).value();
//   fifo->Start();
//
// The agent holds both ends open. So a reader that comes first need not wait for a writer, a reader
// that comes and goes ends nothing, and none reads an end of file while an agent is there. The pipe
// is shrunk to one page and filled when it is empty. No more than 4 KiB lie in the kernel, where
// they are neither locked nor wiped. When nobody reads, the pipe is full and the loop sleeps: a
// pipe of one page is writable when it is empty and not before.
//
// The file stays when the agent ends. Readers hold its inode, not its name. A QEMU that has it open
// goes on reading when the next agent opens it. If the file were removed, it would read end of file
// for ever.
//
// Each byte goes to one reader, whichever comes first. The feed does not know who the readers are.
//
// Errors: of Open() and Start(); see there.
//
// Thread safety: none; belongs to the event loop's thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/process/fd.h"
#include "hostagent/feed/feed.h"
#include "hostagent/loop/event_loop.h"
#include "hostagent/loop/fd_watch.h"

namespace entropyd {

class FifoFeed final : public Feed, public EventLoop::Handler {
 public:
  // PIPE_BUF: a write of this many bytes is whole or refused. It is one page, or part of a larger
  // one.
  static constexpr size_t kFillBytes = 4096;

  struct Options {
    std::string path;
    mode_t mode = 0640;
    // Empty = the process's own group.
    std::string group;
  };

  // Makes the pipe and its directory, or opens the pipe that is there, which stays as it is until
  // Start(). Errors: ALREADY_EXISTS (something else is there, or another user's pipe), NOT_FOUND
  // (group), of the file system.
  static absl::StatusOr<std::unique_ptr<FifoFeed>> Open(Options options, ConnectionHost* host,
                                                        ServedClass* served_class);
  // Removes a pipe that it made and that was never started.
  ~FifoFeed() override;

  // Gives the pipe its mode and group, joins the class and fills the pipe. Errors: of the file, of
  // the watch.
  absl::Status Start() override;

  // What stands at the path is the pipe that is open.
  bool IsItsFile() const;

  void OnEvents(uint32_t events) override;

 private:
  FifoFeed(Options options, gid_t group, bool made, UniqueFd fd, ConnectionHost* host,
           ServedClass* served_class);
  uint64_t Room() const override { return kFillBytes - filled_; }
  void Put(absl::Span<uint8_t> bytes) override;

  const Options options_;
  const gid_t group_;
  bool remove_;
  const UniqueFd fd_;
  FdWatch watch_;
  // Bytes written since the pipe was empty. It counts as full until the kernel says otherwise,
  // because another agent may have left something in it.
  size_t filled_ = kFillBytes;
};

}  // namespace entropyd
