// Ten thousand agents come back. The choice of servers and its back-off are real, the clock is
// simulated, and a server takes a limited number of handshakes a second.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/upstream/rendezvous.h"
#include "hostagent/upstream/server_choice.h"

namespace entropyd {
namespace {

constexpr size_t kAgents = 10'000;
// A mutual handshake costs a server 1.4 ms of one core, and Attach comes on top. So two cores take
// a thousand a second.
constexpr int64_t kHandshake = kSecondNanos / 1'000;
// Upstream waits as long for a Welcome.
constexpr int64_t kAttachTimeout = 22 * kSecondNanos;

class Herd {
 public:
  struct Server {
    int64_t up_at = 0;          // the server refuses before this time
    int64_t free_at = 0;        // handshakes wait in a queue until then
    std::vector<int> attempts;  // attempts that reached it, by second
  };

  explicit Herd(std::vector<std::string> names) {
    for (const std::string& name : names) servers_.emplace_back(name, Server{});
    for (size_t i = 0; i < kAgents; ++i) {
      std::string host_id(16, '\0');
      for (char& c : host_id) c = static_cast<char>(random_());
      agents_.emplace_back(RendezvousOrder(host_id, names), [this] { return Uniform(); });
    }
  }
  Server& server(size_t i) { return servers_[i].second; }

  // All agents were attached for a long time, and lost their server at time 0.
  void LoseAll() {
    for (size_t i = 0; i < kAgents; ++i) {
      const std::string server = agents_[i].Pick(0, "");
      agents_[i].Ended(server, ServerChoice::Ending::kAttached, 3600 * kSecondNanos,
                       /*penalty=*/false, 0);
      Push(agents_[i].ready_at(), i);
    }
  }

  // Runs until all are attached, and returns when that was.
  int64_t Run() {
    int64_t last = 0;
    while (!events_.empty()) {
      const auto [now, agent] = events_.top();
      events_.pop();
      last = std::max(last, Attempt(now, agent));
    }
    return last;
  }

 private:
  double Uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  void Push(int64_t at, size_t agent) { events_.emplace(at, agent); }

  // The time at which the agent is attached; 0 = it tries again.
  int64_t Attempt(int64_t now, size_t agent) {
    ServerChoice& choice = agents_[agent];
    const std::string name = choice.Pick(now, "");
    Server& server = std::find_if(servers_.begin(), servers_.end(), [&](const auto& s) {
                       return s.first == name;
                     })->second;
    int64_t ended = now;  // refused at once
    if (now >= server.up_at) {
      const size_t second = static_cast<size_t>((now - server.up_at) / kSecondNanos);
      if (server.attempts.size() <= second) server.attempts.resize(second + 1);
      ++server.attempts[second];
      server.free_at = std::max(server.free_at, now) + kHandshake;
      // An agent that gives up has cost the server the handshake all the same.
      if (server.free_at - now <= kAttachTimeout) return server.free_at;
      ended = now + kAttachTimeout;
    }
    choice.Ended(name, ServerChoice::Ending::kNotAttached, 0, /*penalty=*/false, ended);
    Push(std::max(ended, choice.ready_at()), agent);
    return 0;
  }

  std::mt19937_64 random_{20261124};
  std::vector<std::pair<std::string, Server>> servers_;
  std::deque<ServerChoice> agents_;
  std::priority_queue<std::pair<int64_t, size_t>, std::vector<std::pair<int64_t, size_t>>,
                      std::greater<>>
      events_;
};

// The most attempts in one second.
int Peak(const std::vector<int>& attempts) {
  return *std::max_element(attempts.begin(), attempts.end());
}

void Tell(const char* what, const Herd::Server& server, int64_t attached) {
  std::printf("%s: at most %d attempts/s, all attached %.1f s after the server was back\n", what,
              Peak(server.attempts), static_cast<double>(attached - server.up_at) / 1e9);
}

// The first delay is up to a second. So a server that is back at once sees them all within a
// second. They wait in a queue for ten seconds, and none gives up.
TEST(HerdTest, AServerThatRestartsAtOnceHasThemAllBackInTheTimeOfTheirHandshakes) {
  Herd herd({"a:7743"});
  herd.LoseAll();
  const int64_t attached = herd.Run();
  Tell("restart at once", herd.server(0), attached);
  EXPECT_LE(Peak(herd.server(0).attempts), static_cast<int>(kAgents));
  EXPECT_LE(attached, 12 * kSecondNanos);
}

TEST(HerdTest, AfterMinutesWithoutAServerAttemptsAreSpreadOverHalfAMinute) {
  Herd herd({"a:7743"});
  herd.server(0).up_at = 300 * kSecondNanos;
  herd.LoseAll();
  const int64_t attached = herd.Run();
  Tell("back after 5 minutes", herd.server(0), attached);
  // Delays are uniform in 0..30 s. The short ones among them make it somewhat more than 10,000 /
  // 15.
  EXPECT_LE(Peak(herd.server(0).attempts), 1'000);
  EXPECT_LE(attached - herd.server(0).up_at, 31 * kSecondNanos);
}

TEST(HerdTest, WhenThePrimaryOfHalfOfThemIsGoneTheOtherTakesThemInSeconds) {
  Herd herd({"a:7743", "b:7743"});
  herd.server(0).up_at = 3600 * kSecondNanos;
  herd.LoseAll();  // the worst case: b restarts, too
  const int64_t attached = herd.Run();
  Tell("one of two is gone", herd.server(1), attached);
  EXPECT_LE(attached, 15 * kSecondNanos);
  // Half of them come within the first second, the others after one more failure.
  EXPECT_LE(Peak(herd.server(1).attempts), static_cast<int>(kAgents) * 8 / 10);
}

// A server that cannot keep up: agents that it does not answer in time come back later and later.
TEST(HerdTest, AServerThatIsTooSlowForAllAtOnceStillGetsThemAll) {
  Herd herd({"a:7743"});
  herd.server(0).free_at = 30 * kSecondNanos;  // at first it is busy with something else
  herd.LoseAll();
  const int64_t attached = herd.Run();
  Tell("a busy server", herd.server(0), attached);
  EXPECT_LE(attached, 120 * kSecondNanos);
}

}  // namespace
}  // namespace entropyd
