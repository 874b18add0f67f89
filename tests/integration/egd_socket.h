// Functions for programs that put load on an EGD socket.
//
// Thread safety: functions without state.
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

namespace entropyd {

inline int64_t MonotonicNanos() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

[[noreturn]] inline void Die(const char* what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

// Connects `fd`, or ends the program.
inline void ConnectEgd(int fd, const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    Die(path);
  }
  strcpy(address.sun_path, path);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die(path);
}

// Returns a connected, blocking socket, or ends the program. All sockets that a process connects
// are one guest's.
inline int ConnectEgd(const char* path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) Die(path);
  ConnectEgd(fd, path);
  return fd;
}

// Connects `n` sockets as one guest: a process of its own connects them for this one, and lives as
// long as this one. Writes the sockets to `fds`. Call it before the program has threads.
inline void ConnectEgdAsGuest(const char* path, int n, int* fds) {
  int told[2];
  if (pipe(told) != 0) Die("pipe");
  for (int i = 0; i < n; ++i) {
    fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fds[i] < 0) Die(path);
  }
  const pid_t parent = getpid();
  const pid_t guest = fork();
  if (guest < 0) Die("fork");
  if (guest == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    for (int i = 0; i < n; ++i) ConnectEgd(fds[i], path);
    if (write(told[1], "", 1) != 1) _exit(1);
    close_range(0, ~0u, 0);
    while (true) pause();
  }
  close(told[1]);
  char all;
  if (read(told[0], &all, 1) != 1) exit(1);  // the guest has said why
  close(told[0]);
}

// False when the other side has closed the socket.
inline bool SendAll(int fd, const uint8_t* bytes, size_t size) {
  for (size_t at = 0; at < size;) {
    const ssize_t n = send(fd, bytes + at, size - at, MSG_NOSIGNAL);
    if (n < 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace entropyd
