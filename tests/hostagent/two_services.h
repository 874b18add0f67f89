// An agent's guest service and its successor, each with buffers and a loop of its own, and clients
// on real sockets. The test plays upstream, and the channel between the two.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/guest_service.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/temp_dir.h"

namespace entropyd {

class TwoServicesTest : public testing::Test {
 protected:
  using Bytes = std::vector<uint8_t>;
  enum Door : size_t { kAuto = 0, kQemu = 1 };

  class Client {
   public:
    explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}
    void Send(const Bytes& bytes) {
      ASSERT_EQ(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT),
                static_cast<ssize_t>(bytes.size()));
    }
    // All that is there now.
    Bytes Receive(size_t at_most = 1 << 22) {
      Bytes bytes(at_most);
      size_t got = 0;
      while (got < at_most) {
        const ssize_t n = recv(fd_.get(), bytes.data() + got, at_most - got, MSG_DONTWAIT);
        if (n <= 0) {
          closed_ = n == 0 || errno == ECONNRESET;
          break;
        }
        got += static_cast<size_t>(n);
      }
      bytes.resize(got);
      return bytes;
    }
    bool Closed() {
      EXPECT_THAT(Receive(), testing::IsEmpty());
      return closed_;
    }
    void FinishSending() { shutdown(fd_.get(), SHUT_WR); }
    void Hangup() { fd_.reset(); }

   private:
    UniqueFd fd_;
    bool closed_ = false;
  };

  // A service and all it stands on.
  struct Side {
    std::unique_ptr<EventLoop> loop;
    std::unique_ptr<SecretArena> arena;
    std::unique_ptr<Metrics> registry;
    std::unique_ptr<AgentMetrics> metrics;
    std::unique_ptr<GuestService> service;
    uint64_t appended = 0;

    ClassCounters& counters() { return *metrics->of_class(0); }
    ClassBuffer& buffer() { return *service->buffers()[0]; }
  };

  // What crossed: messages, and descriptors as SCM_RIGHTS would have duplicated them.
  struct Cargo {
    handover::v1::Numbers numbers;
    std::vector<UniqueFd> listeners;
    std::vector<handover::v1::Connections> connections;
    std::vector<std::vector<UniqueFd>> sockets;
  };

  void SetUp() override {
    settings_.max_guests = 3'000;
    settings_.classes.push_back(
        {"default/gold", 4 << 20, int64_t{60'000'000'000}, ClassTree::kUnlimited, "block"});
    settings_.listeners.push_back({dir_ / "0.sock", 0600, "", 0, config::v1::CLIENTS_AUTO, "auto"});
    settings_.listeners.push_back({dir_ / "1.sock", 0600, "", 0, config::v1::CLIENTS_QEMU, "qemu"});
    Configure();
    Make(&old_);
    Make(&new_);
    ASSERT_TRUE(old_.service->Listen().ok());
  }
  void TearDown() override {
    old_.service.reset();
    new_.service.reset();
  }

  virtual void Configure() {}  // adds to settings_

  void Make(Side* side) {
    side->service.reset();
    side->loop = EventLoop::Create(&clock_).value();
    side->arena =
        SecretArena::Create(GuestService::ArenaBytes(settings_), SecretArena::Locking::kBestEffort)
            .value();
    side->registry = std::make_unique<Metrics>();
    std::vector<std::string> classes;
    for (const AgentSettings::Class& c : settings_.classes) classes.push_back(c.name);
    side->metrics = std::make_unique<AgentMetrics>(side->registry.get(), classes);
    side->service = GuestService::Create(settings_, side->loop.get(), side->arena.get(), &log_,
                                         side->metrics.get())
                        .value();
    side->loop->SetAfterBatch([side] { side->service->ServeClasses(); });
  }

  void Turn(Side* side, int64_t nanos = 0) {
    clock_.AdvanceNanos(nanos);
    side->loop->RunOnce(0);
  }
  // Bytes of the fake stream, from `first` on when this is a side's first and else where it was.
  void Fill(Side* side, size_t bytes, uint64_t first = 0) {
    if (side->appended == 0) side->appended = first;
    side->buffer().Append(StreamBytes(side->appended, bytes));
    side->appended += bytes;
    side->service->OnArrival(0);
  }
  void Arrive(Side* side, size_t bytes, uint64_t first = 0) {
    Fill(side, bytes, first);
    Turn(side);
  }

  // Connects to the old one and says `first` before it looks.
  Client Connect(const Bytes& first = {}, Door door = kAuto) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    Client client{UniqueFd(fds[1])};
    if (!first.empty()) client.Send(first);
    old_.service->Accept(door, UniqueFd(fds[0]));
    Turn(&old_);
    return client;
  }
  static Client Dial(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return Client(std::move(fd));
  }

  static std::vector<UniqueFd> Duplicates(const std::vector<int>& fds) {
    std::vector<UniqueFd> out;
    for (int fd : fds) out.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return out;
  }
  Cargo Save() {
    Cargo cargo;
    std::vector<int> listeners;
    old_.service->SaveNumbers(&cargo.numbers, &listeners);
    cargo.listeners = Duplicates(listeners);
    EXPECT_TRUE(old_.service
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
    if (auto status = new_.service->AdoptNumbers(cargo.numbers, again(cargo.listeners));
        !status.ok()) {
      return status;
    }
    for (size_t i = 0; i < cargo.connections.size(); ++i) {
      auto status = new_.service->AdoptConnections(cargo.connections[i], again(cargo.sockets[i]));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  void Adopt(const Cargo& cargo) {
    if (new_.service == nullptr) Make(&new_);
    const absl::Status status = TryAdopt(cargo);
    EXPECT_TRUE(status.ok()) << status;
  }
  void Commit() {
    old_.service->GiveAway();
    new_.service->Own();
  }
  void Move() {
    Adopt(Save());
    Commit();
  }

  TempDir dir_;
  ManualClock clock_{1'000'000'000};
  Log log_{&clock_, -1};
  AgentSettings settings_;
  Side old_;
  Side new_;
};

}  // namespace entropyd
