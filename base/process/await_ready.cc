#include "base/process/await_ready.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <climits>
#include <cstdint>

#include "absl/time/clock.h"

namespace entropyd {

bool AwaitReady(int fd, short events, absl::Time deadline) {
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd ready = {fd, events, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX)));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

}  // namespace entropyd
