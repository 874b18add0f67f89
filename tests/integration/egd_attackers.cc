// Attacks EGD sockets: does at random what no program does that speaks EGD well.
//
//   it_egd_attackers SEED PROCESSES KIND=SOCKET:COUNT...
//
// Each KIND=SOCKET:COUNT is COUNT attackers in each process. An attacker has one connection at a
// time, and begins again when that ends. A process is one guest where nobody tells more of it.
//
//   connects     connect, and close at once, or send one command and close, or stay for a while
//   halves       send a part of a command, wait, and close or send the rest
//   seeds        send 0x03 with 255 bytes as fast as the socket takes them, 3 MB/s at most
//   bits         ask by 0x00 without a pause, 200,000 times a second at most, and read
//   never        send requests, and read nothing
//   mixed        the same, with commands that alternate, as many as the agent bears
//   pending      the same, and as few as it bears without end
//   bytes        send commands of all kinds a byte at a time, and close amid one
//   closes       send requests, and close at a random moment, or close their reading side first
//   half-closes  send requests, close their writing side, and read until the agent has closed
//   garbage      send random bytes
//
// SIGTERM ends it. Each process prints a line of JSON then: its seed and, for each KIND,
//
//   {"kind", "socket", "connects", "away", "closed", "sent", "received", "short"}
//
// connects: that succeeded. away: that failed because nobody listened. closed: connections that the
// agent closed. sent, received: bytes. short: half-closes that got a part of what they had asked
// for, and not all. (One that got nothing was refused.)
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "tests/integration/egd_socket.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;

// An attacker begins again so soon.
constexpr int64_t kAgain = 5 * kMillisecondNanos;
// One that has sent much, and was closed for it.
constexpr int64_t kMuchAgain = 5 * kSecondNanos;
// What is due within this time is done at once, so that the program wakes a few hundred times a
// second at most.
constexpr int64_t kTick = 2 * kMillisecondNanos;
constexpr size_t kSeedBytes = 16 * 1024;
// Three commands each. The agent leaves unread what comes beyond 16,384 runs of pending commands.
constexpr int kPendingRounds = 5200;

// COUNT attackers of a kind.
struct Attack {
  std::string kind, socket;
  size_t count = 0;
  uint64_t connects = 0, away = 0, closed = 0, sent = 0, received = 0, cut = 0;
};

sigset_t BlockSigterm() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return set;
}

class Attackers;

// One of them. What it does next is `step`, at `due`; 0 = when something comes.
struct Attacker {
  Attack* attack = nullptr;
  void (Attackers::*step)(Attacker*) = nullptr;
  bool reads = true;
  int fd = -1;
  // 0 = it has not connected; else how many steps it has taken since.
  int steps = 0;
  int64_t due = 0;
  int64_t until = 0;
  Bytes unsent;
  uint64_t asked = 0, got = 0;
};

struct Kind {
  const char* name;
  void (Attackers::*step)(Attacker*);
  bool reads;
};

class Attackers {
 public:
  Attackers(uint64_t seed, std::vector<Attack> attacks)
      : seed_(seed), random_(seed), attacks_(std::move(attacks)) {
    for (Attack& attack : attacks_) Add(&attack);
    const sigset_t sigterm = BlockSigterm();
    signals_ = signalfd(-1, &sigterm, SFD_NONBLOCK | SFD_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kSignals;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, signals_, &event) != 0) Die("epoll_ctl");
  }

  static bool Knows(const std::string& kind) { return Find(kind) != nullptr; }

  void Run() {
    while (!ended_) {
      DoWhatIsDue(MonotonicNanos());
      Wait();
    }
    Report();
  }

 private:
  static constexpr uint64_t kSignals = ~uint64_t{0};
  static const std::vector<Kind>& Kinds();

  // nullptr = there is no such kind.
  static const Kind* Find(const std::string& name) {
    for (const Kind& kind : Kinds()) {
      if (name == kind.name) return &kind;
    }
    return nullptr;
  }

  void Add(Attack* attack) {
    const Kind& kind = *Find(attack->kind);
    for (size_t i = 0; i < attack->count; ++i) {
      Attacker one;
      one.attack = attack;
      one.step = kind.step;
      one.reads = kind.reads;
      all_.push_back(one);
      In(all_.size() - 1, Below(100) * kMillisecondNanos);
    }
  }

  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  uint8_t AnyByte() { return static_cast<uint8_t>(random_()); }

  // --- when ---
  void In(size_t index, int64_t nanos) {
    all_[index].due = MonotonicNanos() + std::max<int64_t>(nanos, 1);
    due_.emplace(-all_[index].due, index);
  }
  void In(Attacker* a, int64_t nanos) { In(static_cast<size_t>(a - all_.data()), nanos); }

  void DoWhatIsDue(int64_t now) {
    while (!due_.empty() && -due_.top().first <= now + kTick) {
      const auto [at, index] = due_.top();
      due_.pop();
      Attacker* const a = &all_[index];
      if (a->due != -at) continue;  // it has another date by now
      a->due = 0;
      if (a->fd < 0 && !Connect(a)) continue;
      (this->*a->step)(a);
      ++a->steps;
    }
  }

  void Wait() {
    const int64_t left = due_.empty() ? kSecondNanos : -due_.top().first - MonotonicNanos();
    epoll_event events[128];
    const int n = epoll_wait(epoll_, events, 128,
                             static_cast<int>(std::max<int64_t>(left, kTick) / kMillisecondNanos));
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == kSignals) {
        ended_ = true;
      } else {
        OnEvents(&all_[events[i].data.u64], events[i].events);
      }
    }
  }

  // --- connections ---
  bool Connect(Attacker* a) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, a->attack->socket.c_str(), sizeof address.sun_path - 1);
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0) Die("socket");
    if (connect(a->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      // A full queue is no fault of the agent's.
      if (errno != EAGAIN) ++a->attack->away;
      close(std::exchange(a->fd, -1));
      In(a, kAgain);
      return false;
    }
    ++a->attack->connects;
    a->steps = 0;
    a->until = MonotonicNanos() + (200 + Below(3000)) * kMillisecondNanos;
    a->unsent.clear();
    a->asked = a->got = 0;
    epoll_event event = {};
    if (a->reads) event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(a - all_.data());
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, a->fd, &event) != 0) Die("epoll_ctl");
    return true;
  }

  void Close(Attacker* a, int64_t again = kAgain) {
    close(std::exchange(a->fd, -1));
    In(a, again);
  }

  void OnEvents(Attacker* a, uint32_t events) {
    if (a->fd < 0) return;
    if (!a->reads || !(events & EPOLLIN)) return Ended(a);
    uint8_t buffer[65536];
    const ssize_t n = recv(a->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Ended(a);
    a->got += static_cast<uint64_t>(n);
    a->attack->received += static_cast<uint64_t>(n);
  }

  // The agent has closed it.
  void Ended(Attacker* a) {
    const bool owed = a->step == &Attackers::HalfCloses && a->got < a->asked;
    if (owed && a->got > 0) ++a->attack->cut;
    ++a->attack->closed;
    Close(a, a->step == &Attackers::Pending ? kMuchAgain : kAgain);
  }

  // Sends as much as the socket takes, and forgets the rest if it may.
  size_t Send(Attacker* a, const uint8_t* bytes, size_t size) {
    const ssize_t n = send(a->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) a->attack->sent += static_cast<uint64_t>(n);
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  void Send(Attacker* a, const Bytes& bytes) { Send(a, bytes.data(), bytes.size()); }

  // `requests` of `bytes` bytes each.
  void Ask(Attacker* a, int64_t requests, uint8_t bytes) {
    Bytes commands;
    for (int64_t i = 0; i < requests; ++i) commands.insert(commands.end(), {0x02, bytes});
    a->asked += Send(a, commands.data(), commands.size()) / 2 * bytes;
  }

  Bytes AnyCommand() {
    switch (Below(5)) {
      case 0:
        return {0x00};
      case 1:
        return {0x01, AnyByte()};
      case 2:
        return {0x02, AnyByte()};
      case 3: {
        Bytes command = {0x03, 0x00, 0x10, AnyByte()};
        for (int left = command.back(); left > 0; --left) command.push_back(AnyByte());
        return command;
      }
      default:
        return {0x04};
    }
  }

  // --- what they do ---
  void Connects(Attacker* a) {
    if (a->steps > 0) return Close(a);
    switch (Below(4)) {
      case 0:
        Send(a, {0x00});
        return Close(a);
      case 1:
        return In(a, Below(100) * kMillisecondNanos);
      default:
        return Close(a);
    }
  }

  void Halves(Attacker* a) {
    if (a->steps == 0) {
      Bytes command = AnyCommand();
      if (command.size() > 1) {
        a->unsent.assign(command.begin() + 1 + Below(static_cast<int64_t>(command.size()) - 1),
                         command.end());
        command.resize(command.size() - a->unsent.size());
      }
      Send(a, command);
      return In(a, Below(2000) * kMillisecondNanos);
    }
    if (Below(2) == 0) return Close(a);
    Send(a, a->unsent);
    a->steps = -1;
    In(a, Below(100) * kMillisecondNanos);
  }

  void Seeds(Attacker* a) {
    if (MonotonicNanos() > a->until) return Close(a);
    while (a->unsent.size() < kSeedBytes) {
      a->unsent.insert(a->unsent.end(), {0x03, 0x07, 0xf8, 0xff});
      a->unsent.insert(a->unsent.end(), 255, AnyByte());
    }
    const size_t sent = Send(a, a->unsent.data(), kSeedBytes);
    a->unsent.erase(a->unsent.begin(), a->unsent.begin() + static_cast<ptrdiff_t>(sent));
    In(a, 5 * kMillisecondNanos);
  }

  void Bits(Attacker* a) {
    if (MonotonicNanos() > a->until) return Close(a);
    Send(a, Bytes(2000, 0x00));
    In(a, 10 * kMillisecondNanos);
  }

  void Never(Attacker* a) {
    if (MonotonicNanos() > a->until + 5 * kSecondNanos) return Close(a);
    Ask(a, 64, 0xff);
    In(a, 50 * kMillisecondNanos);
  }

  static Bytes Alternating(int rounds) {
    Bytes commands;
    for (int i = 0; i < rounds; ++i)
      commands.insert(commands.end(), {0x02, 0xff, 0x00, 0x01, 0x20});
    return commands;
  }
  void Mixed(Attacker* a) {
    if (MonotonicNanos() > a->until) return Close(a);
    Send(a, Alternating(256));
    In(a, 50 * kMillisecondNanos);
  }

  void Pending(Attacker* a) {
    if (a->steps == 0) a->unsent = Alternating(kPendingRounds);
    const size_t sent = Send(a, a->unsent.data(), a->unsent.size());
    a->unsent.erase(a->unsent.begin(), a->unsent.begin() + static_cast<ptrdiff_t>(sent));
    if (!a->unsent.empty()) In(a, 20 * kMillisecondNanos);
  }

  void ByteByByte(Attacker* a) {
    if (MonotonicNanos() > a->until) return Close(a);
    if (a->unsent.empty()) a->unsent = AnyCommand();
    if (Send(a, a->unsent.data(), 1) == 1) a->unsent.erase(a->unsent.begin());
    In(a, (1 + Below(10)) * kMillisecondNanos);
  }

  void Closes(Attacker* a) {
    if (a->steps > 0) return Close(a);
    Ask(a, 1 + Below(64), static_cast<uint8_t>(1 + Below(255)));
    if (Below(3) == 0) shutdown(a->fd, SHUT_RD);
    In(a, Below(50) * kMillisecondNanos);
  }

  void HalfCloses(Attacker* a) {
    if (a->steps == 0) Ask(a, 1 + Below(16), static_cast<uint8_t>(1 + Below(255)));
    if (a->steps == 0) return In(a, Below(50) * kMillisecondNanos);
    shutdown(a->fd, SHUT_WR);
  }

  void Garbage(Attacker* a) {
    if (a->steps > 20) return Close(a);
    Bytes bytes(static_cast<size_t>(1 + Below(64)));
    for (uint8_t& byte : bytes) byte = AnyByte();
    Send(a, bytes);
    In(a, Below(20) * kMillisecondNanos);
  }

  void Report() {
    // A line is one write, because several processes write to the same file.
    static char line[64 * 1024];
    setvbuf(stdout, line, _IOFBF, sizeof line);
    printf("{\"seed\": %llu, \"attacks\": [", static_cast<unsigned long long>(seed_));
    const char* comma = "";
    for (const Attack& attack : attacks_) {
      printf("%s{\"kind\": \"%s\", \"socket\": \"%s\"", std::exchange(comma, ", "),
             attack.kind.c_str(), attack.socket.c_str());
      const std::pair<const char*, uint64_t> figures[] = {
          {"connects", attack.connects}, {"away", attack.away},         {"closed", attack.closed},
          {"sent", attack.sent},         {"received", attack.received}, {"short", attack.cut}};
      for (const auto& [name, figure] : figures) {
        printf(", \"%s\": %llu", name, static_cast<unsigned long long>(figure));
      }
      printf("}");
    }
    printf("]}\n");
    fflush(stdout);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<Attack> attacks_;
  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  int signals_ = -1;
  bool ended_ = false;
  std::vector<Attacker> all_;
  // The earliest first: when, negative, and who.
  std::priority_queue<std::pair<int64_t, size_t>> due_;
};

const std::vector<Kind>& Attackers::Kinds() {
  static const std::vector<Kind> kinds = {
      {"connects", &Attackers::Connects, true},
      {"halves", &Attackers::Halves, true},
      {"seeds", &Attackers::Seeds, true},
      {"bits", &Attackers::Bits, true},
      {"never", &Attackers::Never, false},
      {"mixed", &Attackers::Mixed, false},
      {"pending", &Attackers::Pending, false},

      {"bytes", &Attackers::ByteByByte, true},
      {"closes", &Attackers::Closes, false},
      {"half-closes", &Attackers::HalfCloses, true},
      {"garbage", &Attackers::Garbage, true},
  };
  return kinds;
}

bool Parse(const char* word, Attack* attack) {
  const std::string text = word;
  const size_t equal = text.find('='), colon = text.rfind(':');
  if (equal == std::string::npos || colon == std::string::npos || colon < equal) return false;
  attack->kind = text.substr(0, equal);
  attack->socket = text.substr(equal + 1, colon - equal - 1);
  attack->count = strtoul(text.c_str() + colon + 1, nullptr, 10);
  return Attackers::Knows(attack->kind) && attack->count > 0 &&
         attack->socket.size() < sizeof sockaddr_un{}.sun_path;
}

// So many processes like this one; each has a seed of its own. They end with the first one.
uint64_t Multiply(int processes, uint64_t seed, std::vector<pid_t>* others) {
  for (int i = 1; i < processes; ++i) {
    const pid_t parent = getpid(), other = fork();
    if (other < 0) Die("fork");
    if (other == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (getppid() != parent) _exit(1);
      others->clear();
      return seed + static_cast<uint64_t>(i);
    }
    others->push_back(other);
  }
  return seed;
}

int Main(int argc, char** argv) {
  std::vector<Attack> attacks;
  for (int i = 3; i < argc; ++i) {
    Attack attack;
    if (!Parse(argv[i], &attack)) {
      fprintf(stderr, "it_egd_attackers: what is '%s'?\n", argv[i]);
      return 2;
    }
    attacks.push_back(attack);
  }
  if (attacks.empty() || atoi(argv[2]) < 1) {
    fprintf(stderr, "usage: it_egd_attackers SEED PROCESSES KIND=SOCKET:COUNT...\n");
    return 2;
  }
  BlockSigterm();
  std::vector<pid_t> others;
  const uint64_t seed = Multiply(atoi(argv[2]), strtoull(argv[1], nullptr, 10), &others);
  Attackers(seed, std::move(attacks)).Run();
  for (const pid_t other : others) kill(other, SIGTERM);
  for (const pid_t other : others) waitpid(other, nullptr, 0);
  return 0;
}

}  // namespace
}  // namespace entropyd

int main(int argc, char** argv) { return entropyd::Main(argc, argv); }
