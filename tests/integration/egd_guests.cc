// Runs greedy or polite guests, and measures what each gets: connections that ask for BYTES by
// 0x02.
//
//   it_egd_guests CONTROL SOCKET GUESTS[xCONNECTIONS] OUTSTANDING BYTES INTERVAL_MS
//
// Each guest is a process of its own, with CONNECTIONS connections (default 1).
// INTERVAL_MS = 0: greedy; OUTSTANDING requests wait on each connection all the time. Otherwise
// polite: each connection asks OUTSTANDING times every INTERVAL_MS, whether it gets answers or not.
// The program makes the FIFO CONTROL. A line NAME in it ends an interval of that name; the answer
// is a line of JSON:
//
//   {"name", "seconds", "guests", "connections", "requests", "bytes", "bytes_squared",
//    "bytes_per_second", "p50_us", "p99_us", "longest_us", "waiting", "closed", "surplus"}
//
// Latency is the time of each request from its write to its last byte. `longest_us` includes the
// age of requests that still wait; `waiting` is their number. `bytes_squared` is the sum of the
// squares of the guests' bytes: Jain's index is bytes^2 / (guests x bytes_squared), also for
// several groups together. `closed` connections and `surplus` bytes count from the start.
// The line `stop` is the last: no connection asks any more, and the answer comes when all requests
// are answered or 10 s have passed. Exit 0 when no connection closed and no byte was too much or
// missing.
#include <sys/epoll.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "tests/integration/control_fifo.h"
#include "tests/integration/egd_socket.h"

namespace entropyd {
namespace {

constexpr int64_t kPatience = 10'000 * kMillisecondNanos;

struct Connection {
  int fd = -1;
  size_t guest = 0;
  std::deque<int64_t> asked_at;  // of the requests that wait, oldest first
  uint32_t of_first = 0;         // bytes that have come of the oldest
  int64_t next_at = 0;           // polite: when it asks again
  uint64_t bytes = 0;            // in this interval
};

class Guests {
 public:
  Guests(const char* path, size_t guests, size_t each, size_t outstanding, uint8_t bytes,
         int64_t interval)
      : guests_(guests),
        outstanding_(outstanding),
        bytes_(bytes),
        interval_(interval),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        all_(guests * each) {
    std::vector<int> fds(all_.size());
    for (size_t i = 0; i < guests; ++i) {
      ConnectEgdAsGuest(path, static_cast<int>(each), &fds[i * each]);
    }
    const int64_t now = MonotonicNanos();
    for (size_t i = 0; i < all_.size(); ++i) {
      all_[i].fd = fds[i];
      all_[i].guest = i / each;
      all_[i].next_at =
          now + interval * static_cast<int64_t>(i) / static_cast<int64_t>(all_.size());
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, all_[i].fd, &event) != 0) Die("epoll_ctl");
    }
    began_ = now;
  }

  int Run(ControlFifo* control) {
    std::string line;
    if (interval_ == 0) {
      for (Connection& c : all_) Ask(&c, outstanding_);
    }
    int64_t looked_at = 0;
    while (true) {
      const int64_t now = MonotonicNanos();
      if (now - looked_at >= kMillisecondNanos) {
        looked_at = now;
        if (control->Next(0, &line)) {
          if (line == "stop") break;
          Report(line);
        }
      }
      if (interval_ > 0) AskWhoIsDue(now);
      Turn();
    }
    stopped_ = true;
    const int64_t give_up = MonotonicNanos() + kPatience;
    while (Waiting() > 0 && MonotonicNanos() < give_up) Turn();
    const size_t missing = Waiting();
    Report(line);
    return closed_ + surplus_ + missing == 0 ? 0 : 1;
  }

 private:
  void AskWhoIsDue(int64_t now) {
    for (Connection& c : all_) {
      for (; c.fd >= 0 && now >= c.next_at; c.next_at += interval_) Ask(&c, outstanding_);
    }
  }

  void Ask(Connection* c, size_t requests) {
    if (stopped_ || requests == 0) return;
    request_.clear();
    for (size_t i = 0; i < requests; ++i) request_.insert(request_.end(), {0x02, bytes_});
    const int64_t now = MonotonicNanos();
    if (!SendAll(c->fd, request_.data(), request_.size())) return Closed(c);
    c->asked_at.insert(c->asked_at.end(), requests, now);
  }

  void Turn() {
    epoll_event events[256];
    const int n = epoll_wait(epoll_, events, 256, 1);
    for (int i = 0; i < n; ++i) Receive(&all_[events[i].data.u64]);
  }

  void Receive(Connection* c) {
    uint8_t buffer[65536];
    const ssize_t n = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Closed(c);
    const int64_t now = MonotonicNanos();
    c->bytes += static_cast<uint64_t>(n);
    uint64_t left = c->of_first + static_cast<uint64_t>(n);
    size_t answered = 0;
    for (; left >= bytes_ && !c->asked_at.empty(); left -= bytes_, ++answered) {
      latencies_.push_back(now - c->asked_at.front());
      c->asked_at.pop_front();
    }
    if (c->asked_at.empty()) surplus_ += std::exchange(left, 0);
    c->of_first = static_cast<uint32_t>(left);
    if (interval_ == 0) Ask(c, answered);
  }

  void Closed(Connection* c) {
    if (closed_ == 0) fprintf(stderr, "it_egd_guests: a connection was closed\n");
    ++closed_;
    close(c->fd);
    c->fd = -1;
  }

  size_t Waiting() const {
    size_t waiting = 0;
    for (const Connection& c : all_) waiting += c.asked_at.size();
    return waiting;
  }

  double Percentile(size_t hundredth) {
    if (latencies_.empty()) return 0;
    const auto at =
        latencies_.begin() + static_cast<ptrdiff_t>(latencies_.size() * hundredth / 100);
    std::nth_element(latencies_.begin(), at, latencies_.end());
    return static_cast<double>(*at) / 1e3;
  }

  void Report(const std::string& name) {
    const int64_t now = MonotonicNanos();
    const double seconds = static_cast<double>(now - began_) / 1e9;
    double sum = 0, squares = 0;
    int64_t longest = 0;
    std::vector<double> of_guest(guests_);
    for (const Connection& c : all_) {
      sum += static_cast<double>(c.bytes);
      of_guest[c.guest] += static_cast<double>(c.bytes);
      if (!c.asked_at.empty()) longest = std::max(longest, now - c.asked_at.front());
    }
    for (const double bytes : of_guest) squares += bytes * bytes;
    for (const int64_t latency : latencies_) longest = std::max(longest, latency);
    printf(
        "{\"name\": \"%s\", \"seconds\": %.3f, \"guests\": %zu, \"connections\": %zu, "
        "\"requests\": "
        "%zu, "
        "\"bytes\": %.0f, \"bytes_squared\": %.0f, \"bytes_per_second\": %.0f, \"p50_us\": %.1f, "
        "\"p99_us\": %.1f, \"longest_us\": %.1f, \"waiting\": %zu, \"closed\": %zu, "
        "\"surplus\": %llu}\n",
        name.c_str(), seconds, guests_, all_.size(), latencies_.size(), sum, squares, sum / seconds,
        Percentile(50), Percentile(99), static_cast<double>(longest) / 1e3, Waiting(), closed_,
        static_cast<unsigned long long>(surplus_));
    fflush(stdout);
    latencies_.clear();
    for (Connection& c : all_) c.bytes = 0;
    began_ = MonotonicNanos();
  }

  const size_t guests_;
  const size_t outstanding_;
  const uint8_t bytes_;
  const int64_t interval_;
  const int epoll_;
  std::vector<Connection> all_;
  std::vector<uint8_t> request_;
  std::vector<int64_t> latencies_;  // ns, of the requests answered in this interval
  int64_t began_ = 0;               // the interval
  bool stopped_ = false;
  size_t closed_ = 0;
  uint64_t surplus_ = 0;
};

int Main(int argc, char** argv) {
  int guests = 0, each = 1;
  if (argc != 7 || sscanf(argv[3], "%dx%d", &guests, &each) < 1 || guests < 1 || each < 1 ||
      atoi(argv[4]) < 1 || atoi(argv[5]) < 1 || atoi(argv[5]) > 255 || atoi(argv[6]) < 0) {
    fprintf(stderr,
            "usage: it_egd_guests CONTROL SOCKET GUESTS[xCONNECTIONS] OUTSTANDING BYTES "
            "INTERVAL_MS\n");
    return 2;
  }
  Guests all(argv[2], static_cast<size_t>(guests), static_cast<size_t>(each),
             static_cast<size_t>(atoi(argv[4])), static_cast<uint8_t>(atoi(argv[5])),
             atoi(argv[6]) * kMillisecondNanos);
  ControlFifo control(argv[1]);
  return all.Run(&control);
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
