// A door whose turns the test takes, and peers that knock at it from addresses of the loopback.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "gtest/gtest.h"
#include "server/door/door.h"
#include "server/door/peer_address.h"
#include "tests/server/fakes.h"

namespace entropyd {

// What a process that speaks TLS does with connections: it keeps them until they end.
class Owner {
 public:
  Door::Receive receive() {
    return [this](UniqueFd connection, Door::Id id) {
      sockaddr_storage peer = {};
      socklen_t size = sizeof peer;
      getpeername(connection.get(), reinterpret_cast<sockaddr*>(&peer), &size);
      by_peer[absl::StrCat("ipv4:", PeerKey(peer))].push_back(id);
      held.push_back(std::move(connection));
      ids.push_back(id);
    };
  }
  // Closes those that ended, as gRPC does.
  void CloseEnded() {
    held.erase(std::remove_if(held.begin(), held.end(),
                              [](const UniqueFd& fd) {
                                char byte;
                                return recv(fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
                              }),
               held.end());
  }
  std::vector<UniqueFd> held;
  // Of all that came, in their order.
  std::vector<Door::Id> ids;
  std::map<std::string, std::vector<Door::Id>> by_peer;
};

class DoorRig : public ::testing::Test {
 protected:
  void Open(const ConnectionTable::Limits& limits, const std::string& address = "127.0.0.1:0") {
    absl::StatusOr<std::unique_ptr<Door>> door =
        Door::Open({.address = address, .limits = limits}, &clock_, &log_, &metrics_);
    ASSERT_TRUE(door.ok()) << door.status();
    door_ = *std::move(door);
  }
  // From 127.0.0.`last`, so that each can be an address of its own.
  UniqueFd Connect(int last = 1, int port = 0) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(0x7f000000u + static_cast<unsigned>(last));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
    sockaddr_in there = own;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    there.sin_port = htons(static_cast<uint16_t>(port != 0 ? port : door_->port()));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    return fd;
  }
  std::vector<UniqueFd> ConnectMany(int count, int last = 1) {
    std::vector<UniqueFd> all;
    for (int i = 0; i < count; ++i) all.push_back(Connect(last));
    return all;
  }
  void Turn() { door_->Turn(owner_.receive(), absl::ZeroDuration()); }
  static bool Ended(const UniqueFd& fd) {
    char byte;
    pollfd ready = {fd.get(), POLLIN, 0};
    return poll(&ready, 1, 0) == 1 && recv(fd.get(), &byte, 1, MSG_DONTWAIT) <= 0;
  }
  static std::string Uri(const UniqueFd& fd) {
    sockaddr_storage own = {};
    socklen_t size = sizeof own;
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size);
    return absl::StrCat("ipv4:", PeerKey(own));
  }
  // The handshake and the first call of `identity`.
  absl::Status Introduce(const UniqueFd& peer, const std::string& identity) {
    for (const Door::Id id : owner_.by_peer[Uri(peer)]) {
      door_->Vouch(id, identity, [] { return true; });
    }
    return door_->Introduce(Uri(peer), identity);
  }
  double Refused(const std::string& reason) {
    return metrics_.AddCounter("entropyd_connections_refused_total", "", {{"reason", reason}})
        ->Value();
  }
  double Connections() { return metrics_.AddGauge("entropyd_connections", "")->Value(); }
  double Strangers() { return metrics_.AddGauge("entropyd_handshakes_open", "")->Value(); }

  ManualClock clock_;
  FakeLog log_{&clock_};
  Metrics metrics_;
  Owner owner_;
  std::unique_ptr<Door> door_;
};

inline constexpr ConnectionTable::Limits kRoomy = {
    .connections = 1000, .strangers = 500, .per_address = 400, .per_identity = 1000};

}  // namespace entropyd
