// Loads an EGD socket: N connections, P requests outstanding on each, for some seconds, from one
// epoll thread. Prints one JSON line:
//   {"requests_per_second": …, "p50_us": …, "p99_us": …, "bytes": …}
//
//   bench_egd_load SOCKET CONNECTIONS OUTSTANDING SECONDS [BYTES=64]
//
// Latency is the time of a batch of pipelined requests from its write to its last byte.
#include <sys/epoll.h>

#include <algorithm>
#include <vector>

#include "tests/integration/egd_socket.h"

namespace entropyd {
namespace {

struct Connection {
  int fd = -1;
  uint64_t awaited = 0;  // bytes of the batch still to come
  int64_t sent_at = 0;
};

void SendBatch(Connection* c, const std::vector<uint8_t>& batch, uint64_t reply_bytes) {
  if (!SendAll(c->fd, batch.data(), batch.size())) Die("send");
  c->awaited = reply_bytes;
  c->sent_at = MonotonicNanos();
}

int Main(int argc, char** argv) {
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
    ConnectEgdAsGuest(argv[1], 1, &all[i].fd);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(i);
    epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  std::vector<uint32_t> latencies_ns;
  latencies_ns.reserve(1 << 22);
  uint64_t batches = 0, received = 0;
  // The first tenth of the time warms up buffers and branch predictors, and does not count.
  const int64_t start = MonotonicNanos();
  const int64_t warm = start + int64_t(seconds * 1e8);
  const int64_t end = warm + int64_t(seconds * 1e9);
  for (Connection& c : all) SendBatch(&c, batch, reply);

  uint8_t buffer[65536];
  epoll_event events[256];
  int64_t now = start;
  while (now < end) {
    const int n = epoll_wait(epoll, events, 256, 1000);
    now = MonotonicNanos();
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
          latencies_ns.push_back(
              static_cast<uint32_t>(std::min<int64_t>(MonotonicNanos() - c->sent_at, UINT32_MAX)));
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

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
