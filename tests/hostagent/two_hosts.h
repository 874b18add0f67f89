// What serves a host's guests in one process and in its successor. Each has its own buffers and
// loop. Clients are on real sockets. The test plays upstream, and the link between the two.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/served_host.h"
#include "tests/fake_log.h"
#include "tests/hostagent/client.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/temp_dir.h"

namespace entropyd {

class TwoHostsTest : public testing::Test {
 protected:
  enum Door : size_t { kAuto = 0, kQemu = 1 };

  // What serves guests, and all that it needs.
  struct Side {
    std::unique_ptr<EventLoop> loop;
    std::unique_ptr<SecretArena> arena;
    std::unique_ptr<Metrics> registry;
    std::unique_ptr<AgentMetrics> metrics;
    std::unique_ptr<ServedHost> host;
    uint64_t appended = 0;

    ClassCounters& counters() { return *host->classes()[0]->counters(); }
    ClassBuffer& buffer() { return *host->classes()[0]->buffer(); }
  };

  // What crossed: messages, and descriptors duplicated as SCM_RIGHTS does.
  struct Cargo {
    handover::v1::Numbers numbers;
    std::vector<UniqueFd> listeners;
    std::vector<handover::v1::Connections> connections;
    std::vector<std::vector<UniqueFd>> sockets;
  };

  void SetUp() override {
    settings_.max_guests = 3'000;
    settings_.max_connections_per_guest = 3'000;
    settings_.classes.push_back(
        {"default/gold", 4 << 20, int64_t{60'000'000'000}, ClassTree::kUnlimited});
    settings_.listeners.push_back({dir_ / "0.sock", 0600, "", 0, config::v1::CLIENTS_AUTO});
    settings_.listeners.push_back({dir_ / "1.sock", 0600, "", 0, config::v1::CLIENTS_QEMU});
    Configure();
    Make(&old_);
    Make(&new_);
    ASSERT_TRUE(old_.host->Listen().ok());
  }
  void TearDown() override {
    old_.host.reset();
    new_.host.reset();
  }

  virtual void Configure() {}  // adds to settings_

  void Make(Side* side) {
    side->host.reset();
    side->loop = EventLoop::Create(&clock_).value();
    side->arena =
        SecretArena::Create(ServedHost::ArenaBytes(settings_), SecretArena::Locking::kBestEffort)
            .value();
    side->registry = std::make_unique<Metrics>();
    std::vector<std::string> classes;
    for (const AgentSettings::Class& c : settings_.classes) classes.push_back(c.name);
    side->metrics = std::make_unique<AgentMetrics>(side->registry.get(), classes);
    side->host = ServedHost::Create(settings_, side->loop.get(), side->arena.get(), &log_,
                                    side->metrics.get())
                     .value();
    side->loop->SetAfterTurn([side] { side->host->Serve(); });
  }

  void Turn(Side* side, int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    side->loop->RunOnce(0);
  }
  // Bytes of the fake stream: from `first` on when a side gets its first bytes, else from where it
  // stopped.
  void Fill(Side* side, size_t bytes, uint64_t first = 0) {
    if (side->appended == 0) side->appended = first;
    side->buffer().Append(StreamBytes(side->appended, bytes));
    side->appended += bytes;
    side->host->classes()[0]->OnArrival();
  }
  // What the server says of a class; empty = it serves it.
  void Refuse(Side* side, size_t class_index, const std::string& why) {
    const auto kind = why.empty() ? UpstreamState::Kind::kOpen : UpstreamState::Kind::kRefused;
    side->host->classes()[class_index]->OnUpstream({kind, kNever, why});
  }
  void Arrive(Side* side, size_t bytes, uint64_t first = 0) {
    Fill(side, bytes, first);
    Turn(side);
  }

  // Connects to the old host and sends `first` before the host looks.
  Client Connect(const Bytes& first = {}, Door door = kAuto) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    Client client{UniqueFd(fds[1])};
    if (!first.empty()) client.Send(first);
    old_.host->connections()->Accept(door, UniqueFd(fds[0]));
    Turn(&old_);
    return client;
  }
  static std::vector<UniqueFd> Duplicates(const std::vector<int>& fds) {
    std::vector<UniqueFd> out;
    for (int fd : fds) out.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return out;
  }
  Cargo Save() {
    Cargo cargo;
    std::vector<int> listeners;
    old_.host->state()->SaveNumbers(&cargo.numbers, &listeners);
    cargo.listeners = Duplicates(listeners);
    EXPECT_TRUE(old_.host->state()
                    ->SaveConnections([&](const handover::v1::Connections& batch,
                                          const std::vector<int>& sockets) {
                      cargo.connections.push_back(batch);
                      cargo.sockets.push_back(Duplicates(sockets));
                      return absl::OkStatus();
                    })
                    .ok());
    return cargo;
  }
  absl::Status TryAdopt(const Cargo& cargo) {
    const auto again = [](const std::vector<UniqueFd>& fds) {
      std::vector<int> numbers;
      for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
      return Duplicates(numbers);
    };
    if (auto status = new_.host->state()->AdoptNumbers(cargo.numbers, again(cargo.listeners));
        !status.ok()) {
      return status;
    }
    for (size_t i = 0; i < cargo.connections.size(); ++i) {
      auto status =
          new_.host->state()->AdoptConnections(cargo.connections[i], again(cargo.sockets[i]));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  void Adopt(const Cargo& cargo) {
    if (new_.host == nullptr) Make(&new_);
    const absl::Status status = TryAdopt(cargo);
    EXPECT_TRUE(status.ok()) << status;
  }
  void Commit() {
    old_.host->state()->GiveAway();
    new_.host->state()->Own();
  }
  void Move() {
    Adopt(Save());
    Commit();
  }

  TempDir dir_;
  ManualClock clock_{1'000'000'000};
  FakeLog log_{&clock_};
  AgentSettings settings_;
  Side old_;
  Side new_;
};

}  // namespace entropyd
