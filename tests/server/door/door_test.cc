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
#include "tests/server/door/door_rig.h"

namespace entropyd {
namespace {

class DoorTest : public DoorRig {};

TEST_F(DoorTest, GivesAwayWhatComesAndKeepsCount) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(5);
  Turn();
  EXPECT_EQ(owner_.held.size(), 5u);
  EXPECT_EQ(Connections(), 5);
  EXPECT_EQ(Strangers(), 5);
  EXPECT_TRUE(door_->has_strangers());
  for (const UniqueFd& peer : peers) EXPECT_TRUE(Introduce(peer, "i").ok());
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
  EXPECT_TRUE(Introduce(peers[1], "i").ok());  // it has a role, and may be denied another one
  for (int i = 1; i < ConnectionTable::kMaxDenials; ++i) {
    for (const UniqueFd& peer : peers) door_->Denied(Uri(peer), "");
  }
  for (const UniqueFd& peer : peers) EXPECT_FALSE(Ended(peer));
  for (int i = 0; i < 3; ++i) {
    for (size_t peer : {0, 1}) door_->Denied(Uri(peers[peer]), "");
  }
  door_->Denied("ipv4:127.0.0.1:1", "");
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
  for (size_t i = 0; i < Knocks::kMaxOpen; ++i) {
    absl::StatusOr<UniqueFd> probe = door_->Knock();
    ASSERT_TRUE(probe.ok()) << probe.status();
    probes.push_back(*std::move(probe));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(door_->Knock().status())) << "probes have a bound, too";
  Turn();
  EXPECT_EQ(owner_.held.size(), 4 + Knocks::kMaxOpen);
  EXPECT_TRUE(absl::IsResourceExhausted(door_->Knock().status())) << "they are still open";
  EXPECT_EQ(Connections(), 4);
  EXPECT_EQ(send(probes.back().get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(recv(owner_.held.back().get(), &byte, 1, 0), 1);
  owner_.held.pop_back();
  EXPECT_TRUE(door_->Knock().ok());
  Turn();
  EXPECT_EQ(owner_.held.size(), 4 + Knocks::kMaxOpen);
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
  EXPECT_TRUE(Introduce(peers[0], "i").ok());
  clock_.AdvanceNanos(ConnectionTable::kMaxSilentNanos - 1);
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
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Introduce(peers[i], "reader").ok());
  const absl::Status third = Introduce(peers[2], "reader");
  EXPECT_TRUE(absl::IsResourceExhausted(third)) << third;
  EXPECT_NE(third.message().find("max_connections_per_identity"), std::string::npos) << third;
  EXPECT_TRUE(Introduce(peers[3], "agent").ok());
  owner_.held.erase(owner_.held.begin());
  clock_.AdvanceNanos(2 * kSecondNanos);
  Turn();
  EXPECT_TRUE(Introduce(peers[2], "reader").ok()) << "a place is free";
}

TEST_F(DoorTest, WhoGoesOnMakingTooManyCallsHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(2);
  Turn();
  for (const UniqueFd& peer : peers) EXPECT_TRUE(Introduce(peer, "i").ok());
  for (int i = 1; i < ConnectionTable::kMaxExcesses; ++i) door_->Exceeded(Uri(peers[0]), "i");
  EXPECT_FALSE(Ended(peers[0]));
  door_->Exceeded(Uri(peers[0]), "i");
  EXPECT_TRUE(Ended(peers[0]));
  EXPECT_FALSE(Ended(peers[1]));
  Turn();
  EXPECT_EQ(Refused("calls"), 1);
}

TEST_F(DoorTest, ManyWhoMakeNoCallLeaveOneAfterAnotherToo) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(static_cast<int>(Door::kMaxLeaving) + 1);
  Turn();
  clock_.AdvanceNanos(ConnectionTable::kMaxSilentNanos);
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
    EXPECT_TRUE(Introduce(known.back(), "i").ok());
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
  EXPECT_TRUE(Introduce(peers[0], "i").ok());
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
