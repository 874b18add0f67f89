// A socket whose descriptor now belongs to somebody else, who will close it and tell nobody.
//
//   GivenSocket socket = GivenSocket::Of(fd.get());
//   receive(std::move(fd));
//   if (!socket.IsOpen()) ...        // it was closed
//   socket.Shutdown(spare, idle);    // its owner reads the end of the stream, and closes it
//
// The number of a descriptor is used again after close(2); the inode of its socket tells the two
// apart.
//
// Errors: none; a socket that cannot be asked is taken for closed.
//
// Thread safety: safe.
#pragma once

#include <sys/types.h>

namespace entropyd {

class GivenSocket {
 public:
  static GivenSocket Of(int fd);

  bool IsOpen() const;
  // Does nothing if the socket was closed. It works on a copy, because the owner may close the
  // descriptor at any moment and its number may be reused. `spare` becomes that copy, so no free
  // descriptor is needed, and afterwards a copy of `idle`.
  void Shutdown(int spare, int idle) const;

 private:
  GivenSocket(int fd, ino_t inode) : fd_(fd), inode_(inode) {}
  bool IsThis(int fd) const;

  int fd_;
  ino_t inode_;
};

}  // namespace entropyd
