#include "base/process/bounded_write.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"

namespace entropyd {

bool AwaitRoom(int fd, int wake, int timeout_millis) {
  if (fd < 0) return true;
  pollfd polled[] = {{fd, POLLOUT, 0}, {wake, POLLIN, 0}};
  int ready = 0;
  do {
    ready = poll(polled, 2, timeout_millis);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 && polled[1].revents == 0;
}

ssize_t WriteFront(int fd, absl::string_view text) {
  return write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
}

void WriteWithin(int fd, absl::string_view text, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!text.empty()) {
    const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
    if (!AwaitRoom(fd, -1, static_cast<int>(left))) return;
    const ssize_t n = WriteFront(fd, text);
    if (n > 0) {
      text.remove_prefix(static_cast<size_t>(n));
      continue;
    }
    const bool again = n < 0 && (errno == EINTR || errno == EAGAIN);
    if (!again || left == 0) return;
  }
}

}  // namespace entropyd
