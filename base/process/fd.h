// Owns file descriptors, and turns errno into a status.
//
//   UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
//   if (!fd) return ErrnoStatus(errno, absl::StrCat("open ", path));
//
// Errors: ErrnoStatus() makes them.
//
// Thread safety: a UniqueFd belongs to one thread at a time; ErrnoStatus is safe.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// Closes the descriptor that it holds. Its destructor keeps errno.
class UniqueFd {
 public:
  // Holds nothing.
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor to the caller, who closes it.
  int release() { return std::exchange(fd_, -1); }
  // Closes what it holds and takes `fd`.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// "what: strerror(err)". The code tells the caller what to do: NOT_FOUND, PERMISSION_DENIED,
// ALREADY_EXISTS, RESOURCE_EXHAUSTED, UNAVAILABLE, else INTERNAL.
absl::Status ErrnoStatus(int err, absl::string_view what);

// Opens /dev/null as whichever of stdin, stdout and stderr is closed. Otherwise the next file or
// socket would get that number, and the log would be written into it. A closed stdout is opened for
// reading only, so that an answer that nobody gets is an error. REQUIRES: no other thread.
void OpenStandardFds();

}  // namespace entropyd
