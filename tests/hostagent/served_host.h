// A host's classes, endpoints and connections, put together as in the agent: real sockets, a real
// class buffer and the event loop. The test plays upstream: it appends bytes.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/served_host.h"
#include "tests/hostagent/client.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/temp_dir.h"

namespace entropyd {

class ServedHostTest : public testing::Test {
 protected:
  enum Door : size_t { kAuto = 0, kQemu = 1, kEgd = 2 };

  void SetUp() override { Make(100); }

  void Make(uint32_t max_guests, uint64_t guest_ceil = ClassTree::kUnlimited,
            OnUpstreamLoss on_loss = OnUpstreamLoss::kBlock) {
    host_.reset();
    settings_ = AgentSettings();
    settings_.max_guests = max_guests;
    settings_.max_connections_per_guest = max_guests;
    settings_.classes.push_back({"default/gold", 4 << 20, 60 * kSecondNanos, guest_ceil, on_loss});
    const config::v1::Clients clients[] = {config::v1::CLIENTS_AUTO, config::v1::CLIENTS_QEMU,
                                           config::v1::CLIENTS_EGD};
    for (int i = 0; i < 3; ++i) {
      settings_.listeners.push_back({dir_ / absl::StrCat(i, ".sock"), 0600, "", 0, clients[i]});
    }
    MakeOfSettings();
    loop_->SetAfterTurn([this] { host_->Serve(); });
    appended_ = 0;
  }
  // The host once more, with a second class, default/silver.
  void MakeWithSilver() {
    settings_.classes.push_back(settings_.classes[0]);
    settings_.classes[1].name = "default/silver";
    MakeOfSettings();
  }
  void MakeOfSettings() {
    host_.reset();
    arena_ =
        SecretArena::Create(ServedHost::ArenaBytes(settings_), SecretArena::Locking::kBestEffort)
            .value();
    registry_ = std::make_unique<Metrics>();
    std::vector<std::string> classes;
    for (const AgentSettings::Class& one : settings_.classes) classes.push_back(one.name);
    metrics_ = std::make_unique<AgentMetrics>(registry_.get(), classes);
    host_ = ServedHost::Create(settings_, loop_.get(), arena_.get(), &log_, metrics_.get()).value();
    for (ServedClass* served : host_->classes()) served->SetFiller(&upstream_);
  }
  void TearDown() override { host_.reset(); }

  void Turn() { loop_->RunOnce(0); }
  void Turn(int64_t nanos) {
    clock_.AdvanceNanos(nanos);
    Turn();
  }
  void Arrive(size_t bytes) {
    buffer().Append(StreamBytes(appended_, bytes));
    appended_ += bytes;
    host_->classes()[0]->OnArrival();
    Turn();
  }
  // Connects and sends `first` before the agent looks.
  Client Connect(Door door, const Bytes& first = {}) {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    Client client{UniqueFd(fds[1])};
    if (!first.empty()) client.Send(first);
    host_->connections()->Accept(door, UniqueFd(fds[0]));
    Turn();
    return client;
  }
  v1::Guest OnlyGuest() {
    v1::ListGuestsResponse guests;
    host_->status().FillGuests(&guests);
    EXPECT_EQ(guests.guest_size(), 1);
    return guests.guest_size() == 1 ? guests.guest(0) : v1::Guest();
  }
  ClassCounters& counters() { return *host_->classes()[0]->counters(); }
  ClassBuffer& buffer() { return *host_->classes()[0]->buffer(); }

  TempDir dir_;
  ManualClock clock_{kSecondNanos};
  Log log_{&clock_, -1};
  std::unique_ptr<EventLoop> loop_ = EventLoop::Create(&clock_).value();
  AgentSettings settings_;
  std::unique_ptr<SecretArena> arena_;
  std::unique_ptr<Metrics> registry_;
  std::unique_ptr<AgentMetrics> metrics_;
  FakeFiller upstream_;
  std::unique_ptr<ServedHost> host_;
  uint64_t appended_ = 0;
};

}  // namespace entropyd
