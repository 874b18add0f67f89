// Lets steps talk to a program that runs beside them: they write lines into a FIFO, and read the
// answers in its log.
//
// Thread safety: one thread.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/process/fd.h"

namespace entropyd {

class ControlFifo {
 public:
  // Makes the FIFO, or ends the program.
  explicit ControlFifo(const char* path) {
    if (mkfifo(path, 0600) == 0) fd_.reset(open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (fd_) return;
    perror(path);
    exit(1);
  }
  // Waits up to that long for a line, and takes it.
  bool Next(int milliseconds, std::string* line) {
    size_t end;
    while ((end = text_.find('\n')) == std::string::npos) {
      pollfd polled = {fd_.get(), POLLIN, 0};
      if (poll(&polled, 1, milliseconds) <= 0) return false;
      char buffer[256];
      const ssize_t n = read(fd_.get(), buffer, sizeof buffer);
      if (n > 0) text_.append(buffer, static_cast<size_t>(n));
    }
    *line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return true;
  }

 private:
  UniqueFd fd_;
  std::string text_;
};

}  // namespace entropyd
