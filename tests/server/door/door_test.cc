#include "server/door/door.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "gtest/gtest.h"
#include "server/door/peer_address.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

// What a process that speaks TLS does with connections: it keeps them until they end.
class Owner {
 public:
  Door::Receive receive() {
    return [this](UniqueFd connection, Door::Id id) {
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
};

class DoorTest : public ::testing::Test {
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

constexpr ConnectionTable::Limits kRoomy = {
    .connections = 1000, .strangers = 500, .per_address = 400, .per_identity = 1000};

TEST_F(DoorTest, GivesAwayWhatComesAndKeepsCount) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(5);
  Turn();
  EXPECT_EQ(owner_.held.size(), 5u);
  EXPECT_EQ(Connections(), 5);
  EXPECT_EQ(Strangers(), 5);
  EXPECT_TRUE(door_->has_strangers());
  for (const UniqueFd& peer : peers) EXPECT_TRUE(door_->Introduce(Uri(peer), "i").ok());
  EXPECT_FALSE(door_->has_strangers());
  Turn();
  EXPECT_EQ(Connections(), 5);
  EXPECT_EQ(Strangers(), 0);
  EXPECT_TRUE(fcntl(owner_.held[0].get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(owner_.held[0].get(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(DoorTest, NoticesThatItsOwnerClosedOne) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(5);
  Turn();
  owner_.held.resize(2);
  // Another file gets the number of a closed one: it is not taken for the connection.
  const UniqueFd other(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd socket_of_another(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  clock_.Advance(absl::Nanoseconds(2 * kSecondNanos));
  Turn();
  EXPECT_EQ(Connections(), 2);
  EXPECT_EQ(Strangers(), 2);
}

TEST_F(DoorTest, APeerThatIsUnknownIsNotIntroduced) {
  Open(kRoomy);
  const UniqueFd peer = Connect();
  Turn();
  EXPECT_TRUE(door_->Introduce("ipv4:127.0.0.1:1", "i").ok());
  EXPECT_TRUE(door_->Introduce("", "i").ok());
  EXPECT_TRUE(door_->has_strangers());
}

TEST_F(DoorTest, AStrangerThatIsDeniedAgainAndAgainHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(3);
  Turn();
  EXPECT_TRUE(
      door_->Introduce(Uri(peers[1]), "i").ok());  // it has a role, and may be denied another one
  for (int i = 1; i < ConnectionTable::kMostDenials; ++i) {
    for (const UniqueFd& peer : peers) door_->Denied(Uri(peer));
  }
  for (const UniqueFd& peer : peers) EXPECT_FALSE(Ended(peer));
  for (int i = 0; i < 3; ++i) {
    for (size_t peer : {0, 1}) door_->Denied(Uri(peers[peer]));
  }
  door_->Denied("ipv4:127.0.0.1:1");
  EXPECT_TRUE(Ended(peers[0]));
  EXPECT_FALSE(Ended(peers[1]));
  EXPECT_FALSE(Ended(peers[2]));
  Turn();
  EXPECT_EQ(Refused("denials"), 1);
}

TEST_F(DoorTest, OneAddressCannotTakeTheHandshakesOfOthers) {
  Open({.connections = 100, .strangers = 20, .per_address = 20, .per_identity = 1000});
  const std::vector<UniqueFd> silent = ConnectMany(40, 2);
  Turn();
  EXPECT_EQ(owner_.held.size(), 20u);
  EXPECT_EQ(Refused("address"), 20);
  EXPECT_EQ(std::count_if(silent.begin(), silent.end(), Ended), 20);
  const UniqueFd honest = Connect(3);
  Turn();
  EXPECT_FALSE(Ended(honest));
  EXPECT_TRUE(Ended(silent[0])) << "the oldest of the address with most of them has given way";
  EXPECT_EQ(Refused("handshakes"), 1);
  owner_.CloseEnded();
  clock_.Advance(absl::Nanoseconds(2 * kSecondNanos));
  Turn();
  EXPECT_EQ(Connections(), 20);
}

TEST_F(DoorTest, AProbeComesInWhateverStrangersDo) {
  Open({.connections = 100, .strangers = 4, .per_address = 4, .per_identity = 1000});
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 6; ++i) peers.push_back(Connect(2 + i));
  Turn();
  ASSERT_EQ(owner_.held.size(), 4u) << "the others have to wait";
  std::vector<UniqueFd> probes;
  for (size_t i = 0; i < Knocks::kMostOpen; ++i) {
    absl::StatusOr<UniqueFd> probe = door_->Knock();
    ASSERT_TRUE(probe.ok()) << probe.status();
    probes.push_back(*std::move(probe));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(door_->Knock().status())) << "probes have a bound, too";
  Turn();
  EXPECT_EQ(owner_.held.size(), 4 + Knocks::kMostOpen);
  EXPECT_TRUE(absl::IsResourceExhausted(door_->Knock().status())) << "they are still open";
  EXPECT_EQ(Connections(), 4);
  EXPECT_EQ(send(probes.back().get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(owner_.held.back().get(), &byte, 1, 0), 1);
  owner_.held.pop_back();
  EXPECT_TRUE(door_->Knock().ok());
  Turn();
  EXPECT_EQ(owner_.held.size(), 4 + Knocks::kMostOpen);
}

// Whatever listens besides, somebody else could fill.
TEST_F(DoorTest, NoOtherSocketOfItListens) {
  const auto listening = [] {
    int count = 0;
    for (int fd = 0; fd < 4096; ++fd) {
      int listens = 0;
      socklen_t size = sizeof listens;
      if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0) count += listens;
    }
    return count;
  };
  const int before = listening();
  Open(kRoomy);
  EXPECT_EQ(listening(), before + 1);
}

TEST_F(DoorTest, WhoMakesNoCallForAMinuteHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(2);
  Turn();
  EXPECT_TRUE(door_->Introduce(Uri(peers[0]), "i").ok());
  clock_.AdvanceNanos(ConnectionTable::kMostSilentNanos - 1);
  Turn();
  EXPECT_FALSE(Ended(peers[1]));
  clock_.AdvanceNanos(1);
  Turn();
  EXPECT_TRUE(Ended(peers[1]));
  EXPECT_FALSE(Ended(peers[0]));
  EXPECT_EQ(Refused("silence"), 1);
}

TEST_F(DoorTest, AnIdentityHasAShareOfTheConnections) {
  Open({.connections = 100, .strangers = 50, .per_address = 50, .per_identity = 2});
  const std::vector<UniqueFd> peers = ConnectMany(4);
  Turn();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(door_->Introduce(Uri(peers[i]), "reader").ok());
  const absl::Status third = door_->Introduce(Uri(peers[2]), "reader");
  EXPECT_TRUE(absl::IsResourceExhausted(third)) << third;
  EXPECT_NE(third.message().find("max_connections_per_identity"), std::string::npos) << third;
  EXPECT_TRUE(door_->Introduce(Uri(peers[3]), "agent").ok());
  owner_.held.erase(owner_.held.begin());
  clock_.AdvanceNanos(2 * kSecondNanos);
  Turn();
  EXPECT_TRUE(door_->Introduce(Uri(peers[2]), "reader").ok()) << "a place is free";
}

TEST_F(DoorTest, WhoGoesOnMakingTooManyCallsHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(2);
  Turn();
  for (const UniqueFd& peer : peers) EXPECT_TRUE(door_->Introduce(Uri(peer), "i").ok());
  for (int i = 1; i < ConnectionTable::kMostExcesses; ++i) door_->Exceeded(Uri(peers[0]), "i");
  EXPECT_FALSE(Ended(peers[0]));
  door_->Exceeded(Uri(peers[0]), "i");
  EXPECT_TRUE(Ended(peers[0]));
  EXPECT_FALSE(Ended(peers[1]));
  Turn();
  EXPECT_EQ(Refused("calls"), 1);
}

TEST_F(DoorTest, WhoMayNotStayHasTimeToReadWhyAndThenHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(3);
  Turn();
  bool holds = true;
  door_->Vouch(owner_.ids[0], "i", [&holds] { return holds; });
  door_->Vouch(owner_.ids[1], "i", [] { return true; });
  for (const UniqueFd& peer : peers) EXPECT_TRUE(door_->Introduce(Uri(peer), "i").ok());
  door_->Recheck();
  holds = false;
  door_->EndShutOut();
  clock_.Advance(absl::Seconds(10));
  door_->EndShutOut();
  EXPECT_FALSE(Ended(peers[0])) << "nobody has asked since";
  door_->Recheck();
  door_->Recheck();
  clock_.AdvanceNanos(Door::kFarewellNanos - 1);
  door_->EndShutOut();
  EXPECT_FALSE(Ended(peers[0]));
  clock_.AdvanceNanos(1);
  door_->EndShutOut();
  EXPECT_TRUE(Ended(peers[0]));
  for (size_t i : {1, 2}) EXPECT_FALSE(Ended(peers[i]));
  Turn();
  EXPECT_EQ(Refused("certificate"), 1);
}

TEST_F(DoorTest, WhoMayStayAgainBeforeItHadToLeaveStays) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(2);
  Turn();
  bool holds = false;
  for (const Door::Id id : owner_.ids) door_->Vouch(id, "i", [&holds] { return holds; });
  for (const UniqueFd& peer : peers) EXPECT_TRUE(door_->Introduce(Uri(peer), "i").ok());
  door_->Recheck();
  clock_.AdvanceNanos(Door::kFarewellNanos / 2);
  holds = true;
  door_->Recheck();
  clock_.AdvanceNanos(Door::kFarewellNanos);
  door_->EndShutOut();
  for (const UniqueFd& peer : peers) EXPECT_FALSE(Ended(peer));
  holds = false;
  door_->Recheck();
  door_->EndShutOut();
  for (const UniqueFd& peer : peers) EXPECT_FALSE(Ended(peer)) << "it has time to read why, again";
  clock_.AdvanceNanos(Door::kFarewellNanos);
  door_->EndShutOut();
  for (const UniqueFd& peer : peers) EXPECT_TRUE(Ended(peer));
  Turn();
  EXPECT_EQ(Refused("certificate"), 2) << "each is counted once";
}

// A host may reach two addresses of this one from the same port.
class DoorOfTwoAddressesTest : public DoorTest {
 protected:
  void SetUp() override {
    Open({.connections = 100, .strangers = 50, .per_address = 50, .per_identity = 1}, "0.0.0.0:0");
    for (int last : {1, 2}) peers_.push_back(ConnectTo(last));
    Turn();
    ASSERT_EQ(owner_.ids.size(), 2u);
    ASSERT_EQ(Uri(peers_[0]), Uri(peers_[1]));
  }
  // From one address and port to 127.0.0.`last`.
  UniqueFd ConnectTo(int last) {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&own_), sizeof own_), 0);
    socklen_t size = sizeof own_;
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own_), &size);
    sockaddr_in there = {};
    there.sin_family = AF_INET;
    there.sin_addr.s_addr = htonl(0x7f000000u + static_cast<unsigned>(last));
    there.sin_port = htons(static_cast<uint16_t>(door_->port()));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&there), sizeof there), 0);
    return fd;
  }

  sockaddr_in own_ = {.sin_family = AF_INET,
                      .sin_port = 0,
                      .sin_addr = {.s_addr = htonl(0x7f000009u)},
                      .sin_zero = {}};
  std::vector<UniqueFd> peers_;
};

TEST_F(DoorOfTwoAddressesTest, OnlyTheConnectionThatMayNotStayHasToLeave) {
  door_->Vouch(owner_.ids[0], "i", [] { return false; });
  door_->Vouch(owner_.ids[1], "i", [] { return true; });
  door_->Recheck();
  clock_.AdvanceNanos(Door::kFarewellNanos);
  door_->EndShutOut();
  EXPECT_TRUE(Ended(peers_[0]));
  EXPECT_FALSE(Ended(peers_[1]));
}

TEST_F(DoorOfTwoAddressesTest, ACallIsOfTheConnectionOnWhichItsIdentityHasShownItself) {
  door_->Vouch(owner_.ids[0], "agent", [] { return true; });
  door_->Vouch(owner_.ids[1], "reader", [] { return true; });
  EXPECT_TRUE(door_->Introduce(Uri(peers_[0]), "agent").ok());
  EXPECT_TRUE(door_->has_strangers()) << "the other has made no call";
  clock_.AdvanceNanos(ConnectionTable::kMostSilentNanos);
  Turn();
  EXPECT_FALSE(Ended(peers_[0]));
  EXPECT_TRUE(Ended(peers_[1]));
}

TEST_F(DoorOfTwoAddressesTest, WhoMakesTooManyCallsDoesNotTakeTheOtherAlong) {
  door_->Vouch(owner_.ids[0], "agent", [] { return true; });
  door_->Vouch(owner_.ids[1], "reader", [] { return true; });
  for (const char* identity : {"agent", "reader"}) {
    EXPECT_TRUE(door_->Introduce(Uri(peers_[0]), identity).ok());
  }
  for (int i = 0; i < ConnectionTable::kMostExcesses; ++i) {
    door_->Exceeded(Uri(peers_[0]), "agent");
  }
  EXPECT_TRUE(Ended(peers_[0]));
  EXPECT_FALSE(Ended(peers_[1]));
}

TEST_F(DoorOfTwoAddressesTest, OneThatWasClosedTakesNoPlaceFromTheNextOneOfItsAddress) {
  for (const Door::Id id : owner_.ids) door_->Vouch(id, "i", [] { return true; });
  owner_.held.erase(owner_.held.begin());  // the door looks a second later
  EXPECT_TRUE(door_->Introduce(Uri(peers_[1]), "i").ok());
  clock_.AdvanceNanos(2 * kSecondNanos);
  Turn();
  EXPECT_FALSE(door_->has_strangers()) << "the one that is here is known";
}

TEST_F(DoorOfTwoAddressesTest, TheSecondConnectionOfAnIdentityDoesNotRefuseTheCallsOfTheFirst) {
  for (const Door::Id id : owner_.ids) door_->Vouch(id, "i", [] { return true; });
  for (int call = 0; call < 3; ++call) {
    EXPECT_TRUE(door_->Introduce(Uri(peers_[0]), "i").ok()) << "one of them has the only place";
  }
  EXPECT_TRUE(door_->has_strangers());
}

TEST_F(DoorTest, ManyWhoMayNotStayLeaveOneAfterAnotherAndNobodyNewWaitsForThem) {
  Open(kRoomy);
  const size_t many = 2 * Door::kMaxLeaving + 1;
  const std::vector<UniqueFd> peers = ConnectMany(static_cast<int>(many));
  Turn();
  Turn();
  ASSERT_EQ(owner_.held.size(), many);
  for (const Door::Id id : owner_.ids) door_->Vouch(id, "i", [] { return false; });
  for (const UniqueFd& peer : peers) EXPECT_TRUE(door_->Introduce(Uri(peer), "i").ok());
  const auto ended = [&peers] { return std::count_if(peers.begin(), peers.end(), Ended); };
  door_->Recheck();
  clock_.AdvanceNanos(Door::kFarewellNanos);
  door_->EndShutOut();
  EXPECT_EQ(ended(), static_cast<ptrdiff_t>(Door::kMaxLeaving));
  const UniqueFd newcomer = Connect(2);
  Turn();
  EXPECT_EQ(owner_.held.size(), many + 1) << "it need not wait";
  EXPECT_EQ(ended(), static_cast<ptrdiff_t>(Door::kMaxLeaving)) << "none of them is gone";
  for (size_t i = 0; i < 2; ++i) {
    owner_.CloseEnded();
    Turn();
  }
  EXPECT_EQ(ended(), static_cast<ptrdiff_t>(many)) << "no housekeeping in between";
  EXPECT_FALSE(Ended(newcomer));
  EXPECT_EQ(Refused("certificate"), static_cast<double>(many));
}

TEST_F(DoorTest, ManyWhoMakeNoCallLeaveOneAfterAnotherToo) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(static_cast<int>(Door::kMaxLeaving) + 1);
  Turn();
  clock_.AdvanceNanos(ConnectionTable::kMostSilentNanos);
  Turn();
  const auto ended = [&peers] { return std::count_if(peers.begin(), peers.end(), Ended); };
  EXPECT_EQ(ended(), static_cast<ptrdiff_t>(Door::kMaxLeaving));
  const UniqueFd newcomer = Connect(2);
  Turn();
  EXPECT_EQ(owner_.held.size(), peers.size() + 1) << "it need not wait";
  owner_.CloseEnded();
  Turn();
  EXPECT_EQ(ended(), static_cast<ptrdiff_t>(peers.size()));
}

TEST_F(DoorTest, AFloodIsOneLineOfTheLogForEachReason) {
  Open({.connections = 100, .strangers = 8, .per_address = 8, .per_identity = 1000});
  const std::vector<UniqueFd> first = ConnectMany(50);
  Turn();
  const std::vector<UniqueFd> second = ConnectMany(50);
  Turn();
  EXPECT_EQ(log_.events(), (std::vector<std::string>{"connection.refused"}));
  EXPECT_EQ(Refused("address"), 92);
  clock_.Advance(absl::Nanoseconds(DoorReport::kLineEveryNanos));
  Turn();
  EXPECT_EQ(log_.events().size(), 2u) << "those that the first line did not count";
  clock_.Advance(absl::Nanoseconds(DoorReport::kLineEveryNanos));
  Turn();
  EXPECT_EQ(log_.events().size(), 2u);
}

TEST_F(DoorTest, WhoIsKnownStaysWhateverStrangersDo) {
  Open({.connections = 30, .strangers = 10, .per_address = 10, .per_identity = 1000});
  std::vector<UniqueFd> known;
  for (int i = 0; i < 20; ++i) {
    known.push_back(Connect(2));
    Turn();
    EXPECT_TRUE(door_->Introduce(Uri(known.back()), "i").ok());
  }
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 200; ++i) {
    strangers.push_back(Connect(3 + i % 7));
    Turn();
    owner_.CloseEnded();
    if (i % 10 == 0) clock_.Advance(absl::Nanoseconds(kSecondNanos));
  }
  EXPECT_EQ(std::count_if(known.begin(), known.end(), Ended), 0);
  EXPECT_LE(owner_.held.size(), 31u);
}

TEST_F(DoorTest, NewConnectionsStayInTheKernelsQueueWhileNobodyCanGiveWay) {
  Open({.connections = 100, .strangers = 4, .per_address = 4, .per_identity = 1000});
  std::vector<UniqueFd> peers;
  for (int i = 0; i < 6; ++i) peers.push_back(Connect(2 + i));
  Turn();
  EXPECT_EQ(owner_.held.size(), 4u);
  EXPECT_EQ(std::count_if(peers.begin(), peers.end(), Ended), 0) << "nobody is turned away";
  EXPECT_TRUE(door_->Introduce(Uri(peers[0]), "i").ok());
  Turn();
  EXPECT_EQ(owner_.held.size(), 5u);
  clock_.Advance(absl::Nanoseconds(3 * kSecondNanos));
  Turn();
  EXPECT_EQ(owner_.held.size(), 6u);
  EXPECT_EQ(std::count_if(peers.begin(), peers.end(), Ended), 1);
}

TEST_F(DoorTest, ThoseAskedToLeaveMayNotPileUp) {
  Open({.connections = 1000, .strangers = 100, .per_address = 100, .per_identity = 1000});
  const std::vector<UniqueFd> silent = ConnectMany(100, 2);
  Turn();
  Turn();
  ASSERT_EQ(owner_.held.size(), 100u);
  std::vector<UniqueFd> others;
  for (int i = 0; i < 60; ++i) others.push_back(Connect(3));
  Turn();
  EXPECT_EQ(owner_.held.size(), 100 + Door::kMaxLeaving) << "the owner has closed none of them";
  owner_.CloseEnded();
  Turn();  // looks whose sockets were closed
  Turn();
  EXPECT_GT(owner_.held.size(), 100u);
}

// The number of descriptors that this process may have, until the end of the test.
class DescriptorLimit {
 public:
  DescriptorLimit() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  void Leave(int count) {
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(dup(0));  // the lowest that is free
    close(static_cast<int>(limit.rlim_cur));
    limit.rlim_cur += static_cast<rlim_t>(count);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

 private:
  rlimit before_;
};

TEST_F(DoorTest, WithoutADescriptorItAsksAStrangerToLeaveAndTriesAgain) {
  Open(kRoomy);
  std::vector<UniqueFd> peers = ConnectMany(8);
  DescriptorLimit limit;
  limit.Leave(5);
  Turn();
  EXPECT_EQ(owner_.held.size(), 5u);
  EXPECT_EQ(Refused("descriptors"), 1);
  EXPECT_TRUE(Ended(peers[0])) << "no descriptor was free to ask with, and it was asked";
  for (int i = 0; i < 20; ++i) {
    owner_.CloseEnded();
    clock_.Advance(absl::Nanoseconds(Door::kRetryNanos));
    Turn();
  }
  EXPECT_EQ(std::count_if(peers.begin(), peers.end(), Ended), 3) << "five of eight have a place";
  EXPECT_EQ(owner_.held.size(), 5u);
}

TEST_F(DoorTest, AnAddressThatCannotBeHadIsAnError) {
  Open(kRoomy);
  EXPECT_TRUE(absl::IsUnavailable(
      Door::Open({.address = absl::StrCat("127.0.0.1:", door_->port()), .limits = kRoomy}, &clock_,
                 &log_, &metrics_)
          .status()));
}

}  // namespace
}  // namespace entropyd
