// The reference for the EGD benchmarks of the agent: the smallest server that answers 0x02
// correctly. It has one epoll thread, refills 64 KiB by getrandom(2), and copies out and wipes its
// replies. It has no classes, no fairness, no accounting and no other command.
//
//   bench_minimal_egd SOCKET
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t kRefill = 64 * 1024;
constexpr size_t kStaging = 16 * 1024;

struct Connection {
  int fd = -1;
  bool have_command = false;  // 0x02 came, its length did not
  uint64_t owed = 0;
  bool writable = true;
};

class Reservoir {
 public:
  void Take(uint8_t* out, size_t n) {
    while (n > 0) {
      if (at_ == kRefill) Refill();
      const size_t piece = n < kRefill - at_ ? n : kRefill - at_;
      memcpy(out, bytes_ + at_, piece);
      explicit_bzero(bytes_ + at_, piece);
      at_ += piece, out += piece, n -= piece;
    }
  }

 private:
  void Refill() {
    for (size_t have = 0; have < kRefill;) {
      const ssize_t got = getrandom(bytes_ + have, kRefill - have, 0);
      if (got > 0) have += static_cast<size_t>(got);
    }
    at_ = 0;
  }
  uint8_t bytes_[kRefill];
  size_t at_ = kRefill;
};

// Sends what it owes until the socket is full. False: the connection is gone.
bool Pay(Connection* c, Reservoir* reservoir) {
  uint8_t staging[kStaging];
  while (c->owed > 0 && c->writable) {
    const size_t n = c->owed < kStaging ? c->owed : kStaging;
    reservoir->Take(staging, n);
    const ssize_t wrote = send(c->fd, staging, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    explicit_bzero(staging, n);
    if (wrote < 0) {
      if (errno != EAGAIN) return false;
      c->writable = false;
    } else {
      c->owed -= static_cast<size_t>(wrote);
      if (static_cast<size_t>(wrote) < n) c->writable = false;
    }
  }
  return true;
}

bool ReadCommands(Connection* c) {
  uint8_t input[4096];
  const ssize_t got = recv(c->fd, input, sizeof input, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
  for (ssize_t i = 0; i < got; ++i) {
    if (c->have_command) {
      c->owed += input[i];
      c->have_command = false;
    } else if (input[i] == 0x02) {
      c->have_command = true;
    } else {
      return false;
    }
  }
  return true;
}

int Serve(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) {
    fprintf(stderr, "bench_minimal_egd: path too long: %s\n", path);
    return 2;
  }
  strcpy(address.sun_path, path);
  unlink(path);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 4096) != 0) {
    fprintf(stderr, "bench_minimal_egd: %s: %s\n", path, strerror(errno));
    return 1;
  }
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);

  Reservoir reservoir;
  std::unordered_map<int, std::unique_ptr<Connection>> connections;
  epoll_event events[256];
  for (;;) {
    const int n = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) continue;
        auto c = std::make_unique<Connection>();
        c->fd = accepted;
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.fd = accepted;
        epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &event);
        connections[accepted] = std::move(c);
        continue;
      }
      Connection* c = connections[fd].get();
      if (events[i].events & EPOLLOUT) c->writable = true;
      bool alive = true;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        // Edge-triggered: a short read means that the socket is empty.
        alive = ReadCommands(c);
      }
      if (!alive || !Pay(c, &reservoir)) {
        close(fd);
        connections.erase(fd);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: bench_minimal_egd SOCKET\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  return Serve(argv[1]);
}
