// Peers for whom somebody vouches, and what becomes of them when nobody does any more.
#include "gtest/gtest.h"
#include "server/door/door.h"
#include "tests/server/door/door_rig.h"

namespace entropyd {
namespace {

class DoorVouchedTest : public DoorRig {};

TEST_F(DoorVouchedTest, WhoMayNotStayHasTimeToReadWhyAndThenHasToLeave) {
  Open(kRoomy);
  const std::vector<UniqueFd> peers = ConnectMany(3);
  Turn();
  bool holds = true;
  door_->Vouch(owner_.ids[0], "i", [&holds] { return holds; });
  for (size_t i : {1, 2}) door_->Vouch(owner_.ids[i], "i", [] { return true; });
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

TEST_F(DoorVouchedTest, WhoMayStayAgainBeforeItHadToLeaveStays) {
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
class DoorOfTwoAddressesTest : public DoorRig {
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
  clock_.AdvanceNanos(ConnectionTable::kMaxSilentNanos);
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
  for (int i = 0; i < ConnectionTable::kMaxExcesses; ++i) {
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

TEST_F(DoorOfTwoAddressesTest, ACallThatMayBeOfAConnectionWithoutAPlaceIsRefused) {
  for (const Door::Id id : owner_.ids) door_->Vouch(id, "i", [] { return true; });
  for (int call = 0; call < 3; ++call) {
    EXPECT_TRUE(absl::IsResourceExhausted(door_->Introduce(Uri(peers_[0]), "i")));
  }
  owner_.held.erase(owner_.held.begin());
  EXPECT_TRUE(door_->Introduce(Uri(peers_[1]), "i").ok()) << "there is one, and it has the place";
  clock_.AdvanceNanos(ConnectionTable::kMaxSilentNanos);
  Turn();
  EXPECT_FALSE(Ended(peers_[1])) << "it is no stranger that has made no call";
}

TEST_F(DoorOfTwoAddressesTest, NobodyBecomesKnownByTheCallsOfAnotherOne) {
  door_->Vouch(owner_.ids[0], "agent", [] { return true; });  // the other shows no certificate
  EXPECT_TRUE(door_->Introduce(Uri(peers_[0]), "agent").ok());
  clock_.AdvanceNanos(ConnectionTable::kMaxSilentNanos);
  Turn();
  EXPECT_FALSE(Ended(peers_[0]));
  EXPECT_TRUE(Ended(peers_[1]));
}

TEST_F(DoorOfTwoAddressesTest, DeniedCallsOfOneIdentityDoNotEndTheConnectionOfAnother) {
  door_->Vouch(owner_.ids[0], "agent", [] { return true; });
  door_->Vouch(owner_.ids[1], "reader", [] { return true; });
  for (int i = 0; i < ConnectionTable::kMaxDenials; ++i) door_->Denied(Uri(peers_[0]), "agent");
  EXPECT_TRUE(Ended(peers_[0]));
  EXPECT_FALSE(Ended(peers_[1]));
}

TEST_F(DoorVouchedTest, ManyWhoMayNotStayLeaveOneAfterAnotherAndNobodyNewWaitsForThem) {
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

}  // namespace
}  // namespace entropyd
