// A whole agent on sockets of its own, without a server. Guests may ask for its pid, which costs no
// entropy. The test turns the loop, moves the clock, and plays the other side of a handover.
#pragma once

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "client/pki/pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/agent.h"
#include "hostagent/handover/handover_link.h"
#include "tests/fake_log.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/temp_dir.h"

namespace entropyd {

// A connected guest.
class RigGuest {
 public:
  explicit RigGuest(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  bool connected() const { return connected_; }
  void AskPid() { EXPECT_EQ(send(fd_.get(), "\x04", 1, MSG_NOSIGNAL), 1); }
  // The reply to AskPid(), or the part that is there.
  std::string Pid() {
    char reply[32];
    const ssize_t n = recv(fd_.get(), reply, sizeof reply, 0);
    closed_ = n == 0 || (n < 0 && errno == ECONNRESET);
    return n <= 1 ? "" : std::string(reply + 1, static_cast<size_t>(n - 1));
  }
  bool Closed() {
    Pid();
    return closed_;
  }

 private:
  UniqueFd fd_;
  bool connected_ = false;
  bool closed_ = false;
};

class AgentRig : public testing::Test {
 protected:
  using Message = handover::v1::Message;

  explicit AgentRig(absl::Time wall = absl::FromUnixSeconds(1'800'000'000))
      : clock_(kSecondNanos, wall) {}

  void SetUp() override {
    ASSERT_TRUE(pki::Init(dir_ / "ca", {.common_name = "TEST"}, clock_.WallTime()).ok());
    auto issued = pki::Issue(dir_ / "ca", {.name = "agent"}, clock_.WallTime());
    ASSERT_TRUE(issued.ok()) << issued.status();
    WriteConfig();
  }
  void TearDown() override { agent_.reset(); }

  void WriteConfig(const std::string& more = "") {
    std::ofstream(ConfigPath()) << "servers: [\"" << server_ << "\"]\n"
                                << "tls: {cert: " << dir_ / "ca/agent.crt"
                                << ", key: " << dir_ / "ca/agent.key"
                                << ", ca: " << dir_ / "ca/ca.crt"
                                << "}\n"
                                << "metrics: \"" << http_ << "\"\n"
                                << "control: " << dir_ / "agent.sock"
                                << "\n"
                                << "state_dir: " << dir_ / "state"
                                << "\n"
                                << "defaults: {buffer: 64KiB}\n"
                                << "listeners:\n  - {path: " << Socket()
                                << ", mode: \"0600\", class: default/gold}\n"
                                << more;
  }
  std::string ConfigPath() const { return dir_ / "agent.yaml"; }
  std::string Socket() const { return dir_ / "egd.sock"; }
  std::string Control() const { return dir_ / "agent.sock"; }

  std::unique_ptr<Agent> Make() {
    config::v1::HostAgent config;
    config::Locations locations;
    EXPECT_TRUE(config::Load(ConfigPath(), &config, &locations).ok());
    metrics_.push_back(std::make_unique<Metrics>());
    auto agent = Agent::Create(config, locations, &clock_, &log_, metrics_.back().get());
    EXPECT_TRUE(agent.ok()) << agent.status();
    return agent.ok() ? *std::move(agent) : nullptr;
  }
  Agent::StartOptions Options(Agent::StartOptions options = {}) {
    options.config_path = ConfigPath();
    options.program = "/bin/false";  // the default would be this test
    options.reloading = [this] { told_ += "reloading "; };
    options.reload_failed = [this] { told_ += "reload_failed "; };
    options.serving = [this] { told_ += "serving "; };
    options.opened = [this] { told_ += "opened "; };
    options.lingering = [this] { told_ += "lingering "; };
    return options;
  }
  void Start(Agent::StartOptions options = {}) {
    agent_ = Make();
    ASSERT_NE(agent_, nullptr);
    const absl::Status started = agent_->Start(Options(std::move(options)));
    ASSERT_TRUE(started.ok()) << started;
    told_.clear();
  }
  // Enough turns for all events that are there, and for what follows from them.
  void Turn(int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    for (int i = 0; i < 4; ++i) agent_->loop()->RunOnce(0);
  }
  // What Run() returns within ten seconds of the clock.
  absl::Status RunToTheEnd() {
    int turns = 0;
    std::function<void()> pass = [&] {
      clock_.AdvanceNanos(10 * kMillisecondNanos);
      if (++turns < 1'000) return agent_->loop()->Post(pass);
      ADD_FAILURE() << "the agent does not end";
      agent_->loop()->Stop();
    };
    agent_->loop()->Post(pass);
    return agent_->Run();
  }

  // --- the test as successor ---
  std::unique_ptr<HandoverLink> Reach() {
    auto link = HandoverLink::Connect(Control() + ".handover");
    EXPECT_TRUE(link.ok()) << link.status();
    return link.ok() ? *std::move(link) : nullptr;
  }
  static absl::Status Say(HandoverLink* link, const Message& message) {
    return link->Send(message, {}, Soon());
  }
  static Message Begin() {
    Message message;
    message.mutable_begin()->set_format_min(1);
    message.mutable_begin()->set_format_max(1);
    message.mutable_begin()->set_version("9.9");
    return message;
  }
  static Message Request() {
    Message message;
    message.mutable_request();
    return message;
  }
  static Message Prepared() {
    Message message;
    message.mutable_prepared();
    return message;
  }
  static Message Serving() {
    Message message;
    message.mutable_serving();
    return message;
  }
  // A successor that has its offer.
  std::unique_ptr<HandoverLink> Offered() {
    auto link = Reach();
    EXPECT_TRUE(Say(link.get(), Begin()).ok());
    Turn();
    auto offer = link->Receive(Soon());
    EXPECT_TRUE(offer.ok() && offer->message.has_offer()) << offer.status();
    return link;
  }
  // A successor that has the guests.
  std::unique_ptr<HandoverLink> Taken() {
    auto link = Offered();
    EXPECT_TRUE(Say(link.get(), Request()).ok());
    EXPECT_TRUE(Say(link.get(), Prepared()).ok());
    Turn();
    absl::StatusOr<HandoverLink::Received> last = link->Receive(Soon());
    while (last.ok() && !last->message.has_go()) {
      for (UniqueFd& fd : last->fds) lent_.push_back(std::move(fd));
      last = link->Receive(Soon());
    }
    EXPECT_TRUE(last.ok()) << last.status();
    EXPECT_TRUE(agent_->handed_over());
    return link;
  }

  TempDir dir_;
  std::string server_ = "localhost:1";  // that port refuses: the agent never has a server
  std::string http_;                    // where the agent is to answer HTTP; "" = nowhere
  ManualClock clock_;
  FakeLog log_{&clock_};
  std::string told_;  // what main() was told, in order
  std::vector<std::unique_ptr<Metrics>> metrics_;
  std::vector<UniqueFd> lent_;  // sockets that a successor got
  std::unique_ptr<Agent> agent_;
};

}  // namespace entropyd
