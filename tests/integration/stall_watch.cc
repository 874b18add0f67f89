// Runs clients that ask for a few bytes again and again over Attach, and measures how long they
// wait.
//
//   it_stall_watch CONTROL HOST:PORT CERT KEY CA CLASS CLIENTS BYTES MILLISECONDS
//
// Every client asks for BYTES, waits until it has them, pauses for MILLISECONDS and asks again. The
// program makes the FIFO CONTROL. A line `NAME` in it ends an interval of that name; the answer is
//
//   NAME: longest_ms=M answers=N bytes=B suspended=S
//
// It has the longest wait from asking to having (a wait that goes on counts with its age), how many
// requests were answered with how many bytes, and how many clients heard last that their class is
// suspended.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/crypto/tls.h"
#include "tests/integration/control_fifo.h"
#include "tests/integration/drawing_client.h"

namespace entropyd {
namespace {

// What one client has seen in this interval. Thread safety: safe.
class Interval {
 public:
  void Asked() {
    absl::MutexLock lock(&mutex_);
    asked_ = absl::Now();
  }
  void Answered() {
    absl::MutexLock lock(&mutex_);
    longest_ = std::max(longest_, absl::Now() - asked_);
    asked_ = absl::InfiniteFuture();
    ++answers_;
  }
  void Saw(size_t bytes, bool suspended) {
    absl::MutexLock lock(&mutex_);
    bytes_ += bytes;
    suspended_ = suspended;
  }
  // Adds this interval to the sums, and begins the next interval.
  void End(absl::Duration* longest, uint64_t* answers, uint64_t* bytes, int* suspended) {
    absl::MutexLock lock(&mutex_);
    *longest = std::max({*longest, longest_, absl::Now() - asked_});
    *answers += answers_;
    *bytes += bytes_;
    *suspended += suspended_;
    longest_ = absl::ZeroDuration();
    answers_ = bytes_ = 0;
  }

 private:
  absl::Mutex mutex_;
  absl::Duration longest_;
  absl::Time asked_ = absl::InfiniteFuture();
  uint64_t answers_ = 0, bytes_ = 0;
  bool suspended_ = false;
};

void Watch(const Endpoint& endpoint, uint64_t bytes, absl::Duration pause, Interval* interval) {
  std::string host_id(16, '\0');
  std::random_device random;
  for (char& c : host_id) c = static_cast<char>(random());
  DrawingClient client(endpoint, host_id);
  while (!client.welcomed()) {
    std::vector<uint8_t> none;
    if (!client.Await(absl::Seconds(1), &none)) break;
  }
  while (true) {
    interval->Asked();
    client.Ask(bytes);
    do {
      std::vector<uint8_t> got;
      if (!client.Await(absl::Seconds(1), &got)) {
        fprintf(stderr, "it_stall_watch: a stream ended\n");
        _exit(1);
      }
      interval->Saw(got.size(), client.suspended());
    } while (client.promised() > 0);
    interval->Answered();
    absl::SleepFor(pause);
  }
}

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  signal(SIGPIPE, SIG_IGN);
  if (argc != 10) {
    fprintf(
        stderr,
        "usage: it_stall_watch CONTROL HOST:PORT CERT KEY CA CLASS CLIENTS BYTES MILLISECONDS\n");
    return 2;
  }
  if (const absl::Status tls13 = tls::RequireTls13(); !tls13.ok()) {
    fprintf(stderr, "it_stall_watch: %s\n", tls13.ToString().c_str());
    return 1;
  }
  const Endpoint endpoint = Endpoint::FromArguments(argv + 2);
  ControlFifo control(argv[1]);
  std::deque<Interval> intervals(static_cast<size_t>(atoi(argv[7])));
  std::vector<std::thread> clients;
  for (Interval& interval : intervals) {
    clients.emplace_back(Watch, endpoint, static_cast<uint64_t>(atoll(argv[8])),
                         absl::Milliseconds(atoi(argv[9])), &interval);
  }
  std::string name;
  while (true) {
    if (!control.Next(-1, &name)) continue;
    absl::Duration longest;
    uint64_t answers = 0, bytes = 0;
    int suspended = 0;
    for (Interval& interval : intervals) interval.End(&longest, &answers, &bytes, &suspended);
    printf("%s: longest_ms=%lld answers=%llu bytes=%llu suspended=%d\n", name.c_str(),
           static_cast<long long>(absl::ToInt64Milliseconds(longest)),
           static_cast<unsigned long long>(answers), static_cast<unsigned long long>(bytes),
           suspended);
    fflush(stdout);
  }
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
