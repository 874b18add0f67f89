// Loads an EGD socket: N connections, P requests outstanding on each, for some seconds, from one
// epoll thread. Prints one JSON line:
//   {"requests_per_second": …, "p50_us": …, "p99_us": …, "bytes": …}
//
//   bench_egd_load SOCKET CONNECTIONS OUTSTANDING SECONDS [BYTES=64]
//
// Latency is measured per batch of pipelined requests, from its write to its last byte.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace {

struct Connection {
  int fd = -1;
  uint64_t awaited = 0;  // bytes of the batch still to come
  int64_t sent_at = 0;
};

int64_t Now() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "bench_egd_load: %s: %s\n", what, strerror(errno));
  exit(1);
}

int Connect(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) Die("path too long");
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die(path);
  return fd;
}

void SendBatch(Connection* c, const std::vector<uint8_t>& batch, uint64_t reply_bytes) {
  size_t at = 0;
  while (at < batch.size()) {
    const ssize_t n = send(c->fd, batch.data() + at, batch.size() - at, MSG_NOSIGNAL);
    if (n < 0) Die("send");
    at += static_cast<size_t>(n);
  }
  c->awaited = reply_bytes;
  c->sent_at = Now();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: bench_egd_load SOCKET CONNECTIONS OUTSTANDING SECONDS [BYTES=64]\n");
    return 2;
  }
  const int connections = atoi(argv[2]);
  const int outstanding = atoi(argv[3]);
  const double seconds = atof(argv[4]);
  const int bytes = argc > 5 ? atoi(argv[5]) : 64;
  if (connections < 1 || outstanding < 1 || seconds <= 0 || bytes < 1 || bytes > 255) {
    fprintf(stderr, "bench_egd_load: numbers out of range\n");
    return 2;
  }

  std::vector<uint8_t> batch;
  for (int i = 0; i < outstanding; ++i) {
    batch.push_back(0x02);
    batch.push_back(static_cast<uint8_t>(bytes));
  }
  const uint64_t reply = uint64_t(outstanding) * bytes;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(connections);
  for (int i = 0; i < connections; ++i) {
    all[i].fd = Connect(argv[1]);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(i);
    epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  std::vector<uint32_t> latencies_ns;
  latencies_ns.reserve(1 << 22);
  uint64_t batches = 0, received = 0;
  // A tenth of the time warms buffers and branch predictors up and is not counted.
  const int64_t start = Now();
  const int64_t warm = start + int64_t(seconds * 1e8);
  const int64_t end = warm + int64_t(seconds * 1e9);
  for (Connection& c : all) SendBatch(&c, batch, reply);

  uint8_t buffer[65536];
  epoll_event events[256];
  int64_t now = start;
  while (now < end) {
    const int n = epoll_wait(epoll, events, 256, 1000);
    now = Now();
    if (n == 0 && now > end) break;
    for (int i = 0; i < n; ++i) {
      Connection* c = &all[events[i].data.u32];
      const ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) Die("the server closed a connection");
      if (static_cast<uint64_t>(got) > c->awaited) {
        fprintf(stderr, "bench_egd_load: %zd bytes where %llu were owed\n", got,
                static_cast<unsigned long long>(c->awaited));
        return 1;
      }
      c->awaited -= static_cast<uint64_t>(got);
      const bool counted = now >= warm;
      if (counted) received += static_cast<uint64_t>(got);
      if (c->awaited > 0) continue;
      if (counted) {
        ++batches;
        if (latencies_ns.size() < latencies_ns.capacity()) {
          latencies_ns.push_back(static_cast<uint32_t>(std::min<int64_t>(Now() - c->sent_at, UINT32_MAX)));
        }
      }
      SendBatch(c, batch, reply);
    }
  }
  if (latencies_ns.empty()) {
    fprintf(stderr, "bench_egd_load: not one batch was answered in %g s\n", seconds);
    return 1;
  }
  std::sort(latencies_ns.begin(), latencies_ns.end());
  const double elapsed = double(now - warm) / 1e9;
  printf("{\"requests_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"bytes\": %llu}\n",
         double(batches) * outstanding / elapsed, latencies_ns[latencies_ns.size() / 2] / 1e3,
         latencies_ns[latencies_ns.size() * 99 / 100] / 1e3,
         static_cast<unsigned long long>(received));
  return 0;
}
