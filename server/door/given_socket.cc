#include "server/door/given_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace entropyd {

GivenSocket GivenSocket::Of(int fd) {
  struct stat status = {};
  fstat(fd, &status);
  return GivenSocket(fd, status.st_ino);
}

bool GivenSocket::IsThis(int fd) const {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == inode_;
}

bool GivenSocket::IsOpen() const { return IsThis(fd_); }

void GivenSocket::Shutdown(int spare, int idle) const {
  if (dup3(fd_, spare, O_CLOEXEC) < 0) return;
  if (IsThis(spare)) shutdown(spare, SHUT_RDWR);
  dup3(idle, spare, O_CLOEXEC);
}

}  // namespace entropyd
