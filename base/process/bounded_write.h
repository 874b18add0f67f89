// Writes to a descriptor such as stderr, and does not hang in write(2) even if nobody reads there.
//
//   WriteWithin(STDERR_FILENO, "entropyd: no such file\n", absl::Seconds(1));
//
//   if (AwaitRoom(fd, wake, -1)) n = WriteFront(fd, text);
//
// Errors: WriteFront() sets errno. WriteWithin() has none: what nobody takes in time is lost.
//
// Thread safety: functions without state. When others write to the same pipe, a write may block
// although there was room a moment ago.
#pragma once

#include <sys/types.h>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd {

// Waits until `fd` takes bytes, or cannot take any: then write() says why. False = the time is
// over, or `wake` is readable. -1 means no `wake`, or no end of time.
bool AwaitRoom(int fd, int wake, int timeout_millis);

// Writes the front of `text` and returns how many bytes that were; -1 with errno = none. More than
// PIPE_BUF at once would block in a pipe that has room for a part of it.
ssize_t WriteFront(int fd, absl::string_view text);

// Writes the whole text. Gives up when nobody has taken it after `patience`. For the last words of
// a process, which has no time for the thread of the log.
void WriteWithin(int fd, absl::string_view text, absl::Duration patience);

}  // namespace entropyd
