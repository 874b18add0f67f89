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

struct Options {
  const char* socket = nullptr;
  int connections = 0;
  int outstanding = 0;
  double seconds = 0;
  int bytes = 64;

  bool Usable() const {
    return connections >= 1 && outstanding >= 1 && seconds > 0 && bytes >= 1 && bytes <= 255;
  }
  // The bytes that answer a batch.
  uint64_t reply() const { return uint64_t(outstanding) * bytes; }
};

// Connections of one epoll thread, each of which sends the next batch when one is answered.
class Load {
 public:
  explicit Load(const Options& options) : options_(options), all_(options.connections) {
    for (int i = 0; i < options.outstanding; ++i) {
      batch_.push_back(0x02);
      batch_.push_back(static_cast<uint8_t>(options.bytes));
    }
    for (size_t i = 0; i < all_.size(); ++i) {
      ConnectEgdAsGuest(options.socket, 1, &all_[i].fd);
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(i);
      epoll_ctl(epoll_, EPOLL_CTL_ADD, all_[i].fd, &event);
    }
    latencies_ns_.reserve(1 << 22);
  }

  void Run() {
    // The first tenth of the time warms up buffers and branch predictors, and does not count.
    now_ = MonotonicNanos();
    warm_ = now_ + int64_t(options_.seconds * 1e8);
    const int64_t end = warm_ + int64_t(options_.seconds * 1e9);
    for (Connection& c : all_) SendBatch(&c);
    epoll_event events[256];
    while (now_ < end) {
      const int n = epoll_wait(epoll_, events, 256, 1000);
      now_ = MonotonicNanos();
      for (int i = 0; i < n; ++i) Receive(&all_[events[i].data.u32]);
    }
  }

  // Prints the line. Returns the exit status.
  int Report() {
    std::vector<uint32_t>& latencies = latencies_ns_;
    if (latencies.empty()) {
      fprintf(stderr, "bench_egd_load: not one batch was answered in %g s\n", options_.seconds);
      return 1;
    }
    std::sort(latencies.begin(), latencies.end());
    const double elapsed = double(now_ - warm_) / 1e9;
    printf("{\"requests_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"bytes\": %llu}\n",
           double(batches_) * options_.outstanding / elapsed, latencies[latencies.size() / 2] / 1e3,
           latencies[latencies.size() * 99 / 100] / 1e3,
           static_cast<unsigned long long>(received_));
    return 0;
  }

 private:
  struct Connection {
    int fd = -1;
    uint64_t awaited = 0;  // bytes of the batch still to come
    int64_t sent_at = 0;
  };

  void SendBatch(Connection* c) {
    if (!SendAll(c->fd, batch_.data(), batch_.size())) Die("send");
    c->awaited = options_.reply();
    c->sent_at = MonotonicNanos();
  }

  void Receive(Connection* c) {
    const ssize_t got = recv(c->fd, buffer_, sizeof buffer_, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) Die("the server closed a connection");
    if (static_cast<uint64_t>(got) > c->awaited) {
      fprintf(stderr, "bench_egd_load: %zd bytes where %llu were owed\n", got,
              static_cast<unsigned long long>(c->awaited));
      exit(1);
    }
    c->awaited -= static_cast<uint64_t>(got);
    const bool counted = now_ >= warm_;
    if (counted) received_ += static_cast<uint64_t>(got);
    if (c->awaited > 0) return;
    if (counted) CountBatch(*c);
    SendBatch(c);
  }

  void CountBatch(const Connection& c) {
    ++batches_;
    if (latencies_ns_.size() == latencies_ns_.capacity()) return;
    latencies_ns_.push_back(
        static_cast<uint32_t>(std::min<int64_t>(MonotonicNanos() - c.sent_at, UINT32_MAX)));
  }

  const Options options_;
  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  std::vector<uint8_t> batch_;
  std::vector<Connection> all_;
  uint8_t buffer_[65536];
  std::vector<uint32_t> latencies_ns_;
  uint64_t batches_ = 0;
  uint64_t received_ = 0;
  // The time of the last events.
  int64_t now_ = 0;
  // From when on it counts.
  int64_t warm_ = 0;
};

int Main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: bench_egd_load SOCKET CONNECTIONS OUTSTANDING SECONDS [BYTES=64]\n");
    return 2;
  }
  Options options{argv[1], atoi(argv[2]), atoi(argv[3]), atof(argv[4])};
  if (argc > 5) options.bytes = atoi(argv[5]);
  if (!options.Usable()) {
    fprintf(stderr, "bench_egd_load: numbers out of range\n");
    return 2;
  }
  Load load(options);
  load.Run();
  return load.Report();
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
