// Runs guests that notice every fault. Each connection sends P requests of 64 bytes at once, waits
// for all replies, and begins the next round ROUND_MS after it began the last one.
//
//   it_egd_watch SOCKET CONNECTIONS P ROUND_MS
//   it_egd_watch SOCKET GUESTSxCONNECTIONS P ROUND_MS
//
// Each guest is a process of its own, with CONNECTIONS connections; without GUESTS, of 16 each.
// "{}" in SOCKET stands for the guest's number, from 0 on.
//
// SIGUSR1: prints "longest_ms X", the longest time of a round since the last SIGUSR1.
// SIGTERM: sends no more requests, waits for the replies that are due, prints one line of JSON.
// Exit 0 when no connection closed, no byte was missing or too much, and no 16-byte block came
// twice.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "tests/integration/egd_socket.h"
#include "tests/integration/seen_blocks.h"

namespace entropyd {
namespace {

constexpr int kRequestBytes = 64;
// How long the last replies may take.
constexpr int64_t kPatience = 20'000 * kMillisecondNanos;

// As many as an agent allows where nobody has configured it.
constexpr int kOfOneGuest = 16;

struct Connection {
  int fd = -1;
  uint64_t awaited = 0;
  int64_t sent_at = 0;
  int64_t next_at = 0;
  size_t block_fill = 0;
  uint8_t block[SeenBlocks::kBytes];
};

std::string Numbered(std::string path, int guest) {
  const size_t at = path.find("{}");
  return at == std::string::npos ? path : path.replace(at, 2, std::to_string(guest));
}

class Watch {
 public:
  Watch(const std::string& path, int connections, int of_guest, int outstanding, int64_t round)
      : round_(round), epoll_(epoll_create1(EPOLL_CLOEXEC)), all_(connections) {
    for (int i = 0; i < outstanding; ++i) batch_.insert(batch_.end(), {0x02, kRequestBytes});
    const int64_t now = MonotonicNanos();
    std::vector<int> fds(connections);
    for (int i = 0; i < connections; i += of_guest) {
      ConnectEgdAsGuest(Numbered(path, i / of_guest).c_str(), std::min(of_guest, connections - i),
                        &fds[i]);
    }
    for (int i = 0; i < connections; ++i) {
      Connection& c = all_[i];
      c.fd = fds[i];
      c.next_at = now + round * i / connections;
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = static_cast<uint64_t>(i);
      epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kSignals;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, signals_, &event);
  }

  int Run() {
    int64_t give_up = 0;
    while (true) {
      const int64_t now = MonotonicNanos();
      uint64_t awaited = 0;
      for (Connection& c : all_) {
        if (c.fd >= 0 && c.awaited == 0 && !ending_ && now >= c.next_at) Send(&c, now);
        awaited += c.fd >= 0 ? c.awaited : 0;
      }
      if (ending_ && give_up == 0) give_up = now + kPatience;
      if (ending_ && (awaited == 0 || now > give_up)) return Report(awaited);
      Turn();
    }
  }

 private:
  static constexpr uint64_t kSignals = ~uint64_t{0};

  void Send(Connection* c, int64_t now) {
    if (!SendAll(c->fd, batch_.data(), batch_.size())) return Closed(c);
    c->awaited = batch_.size() / 2 * kRequestBytes;
    c->sent_at = now;
    c->next_at = now + round_;
    requests_ += batch_.size() / 2;
  }

  void Turn() {
    epoll_event events[64];
    const int n = epoll_wait(epoll_, events, 64, 1);
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == kSignals) {
        Signal();
      } else {
        Receive(&all_[events[i].data.u64]);
      }
    }
  }

  void Signal() {
    signalfd_siginfo info;
    while (read(signals_, &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGTERM) ending_ = true;
      if (info.ssi_signo != SIGUSR1) continue;
      // A round that still waits counts with the time that it has waited.
      const int64_t now = MonotonicNanos();
      for (const Connection& c : all_) {
        if (c.fd >= 0 && c.awaited > 0) longest_ = std::max(longest_, now - c.sent_at);
      }
      printf("longest_ms %.1f\n", double(longest_) / kMillisecondNanos);
      fflush(stdout);
      longest_ = 0;
    }
  }

  void Receive(Connection* c) {
    uint8_t buffer[65536];
    const ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Closed(c);
    const uint64_t got = static_cast<uint64_t>(n);
    if (got > c->awaited) surplus_ += got - c->awaited;
    c->awaited -= std::min(c->awaited, got);
    received_ += got;
    for (ssize_t i = 0; i < n; ++i) {
      c->block[c->block_fill++] = buffer[i];
      if (c->block_fill < sizeof c->block) continue;
      c->block_fill = 0;
      blocks_.Add(c->block, sizeof c->block);
    }
    if (c->awaited == 0) longest_ = std::max(longest_, MonotonicNanos() - c->sent_at);
  }

  void Closed(Connection* c) {
    ++closed_;
    close(c->fd);
    c->fd = -1;
  }

  int Report(uint64_t missing) {
    Turn();  // what comes now is too much
    const uint64_t twice = blocks_.CountTwice();
    printf(
        "{\"requests\": %llu, \"bytes\": %llu, \"closed\": %llu, \"missing\": %llu, "
        "\"surplus\": %llu, \"blocks_twice\": %llu}\n",
        static_cast<unsigned long long>(requests_), static_cast<unsigned long long>(received_),
        static_cast<unsigned long long>(closed_), static_cast<unsigned long long>(missing),
        static_cast<unsigned long long>(surplus_), static_cast<unsigned long long>(twice));
    return closed_ + missing + surplus_ + twice == 0 && requests_ > 0 ? 0 : 1;
  }

  const int64_t round_;
  const int epoll_;
  int signals_ = -1;
  std::vector<uint8_t> batch_;
  std::vector<Connection> all_;
  SeenBlocks blocks_;
  bool ending_ = false;
  int64_t longest_ = 0;
  uint64_t requests_ = 0, received_ = 0, closed_ = 0, surplus_ = 0;
};

int Main(int argc, char** argv) {
  int guests = 0, each = 0;
  const int figures = argc == 5 ? sscanf(argv[2], "%dx%d", &guests, &each) : 0;
  if (figures == 1) each = std::exchange(guests, 1);
  if (figures < 1 || guests < 1 || each < 1 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1) {
    fprintf(stderr, "usage: it_egd_watch SOCKET [GUESTSx]CONNECTIONS OUTSTANDING ROUND_MS\n");
    return 2;
  }
  Watch watch(argv[1], guests * each, figures == 1 ? kOfOneGuest : each, atoi(argv[3]),
              atoi(argv[4]) * kMillisecondNanos);
  return watch.Run();
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
