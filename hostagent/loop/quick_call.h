// The three system calls that answer a guest, without what the C library adds. Its wrappers are
// points at which pthread_cancel(3) may end a thread. In a program with threads that costs two
// atomic operations for each call, together 2 % of a small request. Nobody cancels a thread here.
//
// They return as epoll_wait(2), recv(2) and send(2) do, and set errno.
//
// Errors: as epoll_wait(2), recv(2) and send(2), in errno.
//
// Thread safety: safe.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace entropyd {

// `millis` < 0 = without a limit.
inline int QuickEpollWait(int epoll, absl::Span<epoll_event> events, int millis) {
  return static_cast<int>(syscall(SYS_epoll_pwait, epoll, events.data(),
                                  static_cast<int>(events.size()), millis, nullptr, 0));
}

// Never blocks: EAGAIN instead.
inline ssize_t QuickReceive(int socket, absl::Span<uint8_t> into) {
  return syscall(SYS_recvfrom, socket, into.data(), into.size(), MSG_DONTWAIT, nullptr, nullptr);
}

// Never blocks: EAGAIN instead. A peer that is gone is EPIPE, without a signal.
inline ssize_t QuickSend(int socket, absl::Span<const uint8_t> bytes) {
  return syscall(SYS_sendto, socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                 nullptr, 0);
}

}  // namespace entropyd
