// Waits for a descriptor, and no longer than until a deadline.
//
//   if (!AwaitReady(pidfd, POLLIN, absl::Now() + absl::Seconds(5))) return "still running";
//
// Errors: none.
//
// Thread safety: a function without state.
#pragma once

#include "absl/time/time.h"

namespace entropyd {

// Waits until one of `events` (POLLIN, POLLOUT) or the descriptor's end has come. False = the time
// is over. A deadline that has passed asks without waiting.
bool AwaitReady(int fd, short events, absl::Time deadline);

}  // namespace entropyd
