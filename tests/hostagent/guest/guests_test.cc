#include "hostagent/guest/guests.h"

#include <netinet/in.h>
#include <unistd.h>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/serving/fake_member.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::SizeIs;

GuestKey OfProcess(int32_t pid) {
  GuestKey key;
  key.pid = pid;
  return key;
}

// A class with a ceiling for each guest of 1,024 B/s, which lets 4 KiB through at once. All
// connections of this process are one guest, which may have 20.
class GuestsTest : public TwoHostsTest {
 protected:
  void Configure() override {
    settings_.classes[0].guest_ceil = 1'024;
    settings_.max_connections_per_guest = 20;
  }
  static Bytes Ask(int count) {
    Bytes ask;
    for (int i = 0; i < count; ++i) ask.insert(ask.end(), {0x02, 0x80});
    return ask;
  }
  Guests* guests() { return old_.host->connections()->guests(); }
  ServedClass* served() { return old_.host->classes()[0]; }
};

TEST_F(GuestsTest, TwentyConnectionsHaveOneCeiling) {
  Fill(&old_, 400'000);
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Connect(Ask(100)));
  const auto received = [&clients] {
    size_t sum = 0;
    for (Client& client : clients) sum += client.Receive().size();
    return sum;
  };
  EXPECT_EQ(received(), 4'096u);
  size_t later = 0;
  for (int i = 0; i < 30; ++i) {
    Turn(&old_, kSecondNanos);
    later += received();
  }
  EXPECT_NEAR(static_cast<double>(later), 30 * 1'024, 300);
}

TEST_F(GuestsTest, WhoConnectsInALoopHasOneCeiling) {
  Fill(&old_, 400'000);
  size_t got = 0;
  for (int i = 0; i < 300; ++i) {
    Client client = Connect(Ask(100));
    Turn(&old_, 100 * kMillisecondNanos);
    got += client.Receive().size();
    client.Hangup();
    Turn(&old_);
    if (i % 10 == 0) old_.host->Tick();
  }
  EXPECT_NEAR(static_cast<double>(got), 4'096 + 30 * 1'024, 400);
}

// No ceiling; bytes are scarce because one connection wants more than there are.
class ScarceGuestsTest : public GuestsTest {
 protected:
  void Configure() override {}
};

// Postfix gives up on a server that answers with nothing.
TEST_F(ScarceGuestsTest, WhatIsAskedAtOnceIsAnsweredBesideAnEagerConnection) {
  Client eager = Connect(Ask(4'000));
  Client other = Connect();
  for (int i = 0; i < 10; ++i) {
    other.Send({0x01, 0x20});
    Turn(&old_);
    Bytes answer;
    for (int turn = 0; turn < 15 && answer.empty(); ++turn) {
      clock_.AdvanceNanos(10 * kMillisecondNanos);
      Arrive(&old_, 256);
      answer = other.Receive();
    }
    ASSERT_FALSE(answer.empty()) << "answer " << i;
    EXPECT_GT(answer[0], 0) << "answer " << i;
    eager.Receive();
  }
}

TEST_F(GuestsTest, AGuestThatLeftIsForgottenAfterAMinute) {
  Client client = Connect();
  EXPECT_EQ(guests()->size(), 1u);
  client.Hangup();
  Turn(&old_);
  Turn(&old_, 60 * kSecondNanos - 1);
  old_.host->Tick();
  EXPECT_EQ(guests()->size(), 1u);
  Turn(&old_, 1);
  old_.host->Tick();
  EXPECT_EQ(guests()->size(), 0u);
  EXPECT_EQ(served()->queue()->members(), 0u);
}

TEST_F(GuestsTest, AGuestThatCameAgainIsNotForgotten) {
  Connect().Hangup();
  Turn(&old_);
  clock_.AdvanceNanos(60 * kSecondNanos - 1);
  Client client = Connect(Ask(1));
  old_.host->Tick();
  Turn(&old_, 1);
  old_.host->Tick();
  Arrive(&old_, 1'000);
  EXPECT_THAT(client.Receive(), SizeIs(0x80));
}

TEST_F(GuestsTest, OneConnectionTooManyIsClosedAndCounted) {
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Connect());
  Client refused = Connect();
  EXPECT_TRUE(refused.Closed());
  EXPECT_FALSE(clients[0].Closed());
  EXPECT_EQ(old_.metrics->connections.crowded.Get(), 1u);
  EXPECT_THAT(log_.lines(), Contains(AllOf(HasSubstr("warning guest.crowded"),
                                           HasSubstr("program=hostagent_test"),
                                           HasSubstr(absl::StrCat("pid=", getpid())))));
  clients[3].Hangup();
  Turn(&old_);
  Client next = Connect();
  EXPECT_FALSE(next.Closed());
  Move();
  EXPECT_EQ(new_.metrics->connections.crowded.Get(), 1u);
}

// Both ends of a connection by TCP: the client's, and the one that was accepted.
std::pair<UniqueFd, UniqueFd> TcpPair() {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  sockaddr* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(listener.get(), any, length), 0);
  EXPECT_EQ(listen(listener.get(), 1), 0);
  EXPECT_EQ(getsockname(listener.get(), any, &length), 0);
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client.get(), any, length), 0);
  UniqueFd accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return {std::move(client), std::move(accepted)};
}

TEST_F(GuestsTest, ATcpPeerThatClosedIsNotServedForEver) {
  auto [client, accepted] = TcpPair();
  ASSERT_EQ(send(client.get(), "\x02\xff", 2, 0), 2);
  old_.host->connections()->Accept(kAuto, std::move(accepted));
  client.reset();
  for (int i = 0; i < 100 && served()->queue()->owed() == 0; ++i) {
    Turn(&old_);
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(old_.host->connections()->size(), 1u);
  Turn(&old_, 29 * kSecondNanos);
  EXPECT_EQ(old_.host->connections()->size(), 1u);
  Turn(&old_, 2 * kSecondNanos);
  EXPECT_EQ(old_.host->connections()->size(), 0u);
}

TEST_F(GuestsTest, PeersOfThisHostThatComeByTcpAreOneGuest) {
  auto [client, accepted] = TcpPair();
  EXPECT_EQ(PeerAddress(accepted.get()), "this host");
}

TEST_F(GuestsTest, ThoseThatLeftFirstAreForgottenWhenThereAreTooMany) {
  Guests many(16, 16);
  for (int32_t pid = 1; pid <= 10'001; ++pid) {
    many.Join(OfProcess(pid), served(), absl::nullopt, 0);
    many.Leave(OfProcess(pid), 0);
  }
  ASSERT_EQ(Guests::kMaxKept, 10'000u);
  EXPECT_EQ(many.size(), 10'001u);
  many.Tick(1);
  EXPECT_EQ(many.size(), 10'000u);
  many.Tick(60 * kSecondNanos);
  EXPECT_EQ(many.size(), 0u);
}

TEST_F(GuestsTest, WhoComesAndGoesOftenMakesTheAgentForgetNobody) {
  Guests many(16, 16);
  many.Join(OfProcess(1), served(), absl::nullopt, 0);
  many.Leave(OfProcess(1), 0);
  for (int i = 0; i < 20'000; ++i) {
    many.Join(OfProcess(2), served(), absl::nullopt, i);
    many.Leave(OfProcess(2), i);
  }
  many.Tick(20'000);
  EXPECT_EQ(many.size(), 2u);
  many.Tick(60 * kSecondNanos);
  EXPECT_EQ(many.size(), 1u);
  many.Tick(60 * kSecondNanos + 20'000);
  EXPECT_EQ(many.size(), 0u);
}

TEST_F(GuestsTest, ManyProcessesMakeTheAgentForgetNobodyWithAName) {
  Guests many(16, 16);
  many.Join(GuestKey::Named("web"), served(), absl::nullopt, 0);
  many.Leave(GuestKey::Named("web"), 0);
  for (int32_t pid = 1; pid <= 15'000; ++pid) {
    many.Join(OfProcess(pid), served(), absl::nullopt, 1);
    many.Leave(OfProcess(pid), 1);
  }
  many.Tick(1);
  EXPECT_EQ(many.size(), 1 + Guests::kMaxKept);
  EXPECT_TRUE(many.HasRoom(GuestKey::Named("web")));
  many.Tick(60 * kSecondNanos);
  EXPECT_EQ(many.size(), Guests::kMaxKept) << "web was forgotten before its time";
  many.Tick(60 * kSecondNanos + 1);
}

TEST_F(GuestsTest, AKeyOfManyGuestsMayHaveMoreConnections) {
  Guests many(2, 3);
  GuestKey user;
  user.uid = 107;
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(many.HasRoom(user));
    EXPECT_TRUE(many.HasRoom(OfProcess(1)));
    many.Join(user, served(), absl::nullopt, 0);
    many.Join(OfProcess(1), served(), absl::nullopt, 0);
  }
  EXPECT_TRUE(many.HasRoom(user));
  EXPECT_FALSE(many.HasRoom(OfProcess(1)));
  many.Join(user, served(), absl::nullopt, 0);
  EXPECT_FALSE(many.HasRoom(user));
  for (int i = 0; i < 3; ++i) many.Leave(user, 0);
  for (int i = 0; i < 2; ++i) many.Leave(OfProcess(1), 0);
  many.Tick(60 * kSecondNanos);
}

TEST_F(GuestsTest, WhatAGuestHasHadOfItsCeilingCrossesAHandover) {
  Fill(&old_, 400'000);
  Client one = Connect(Ask(80));
  Client two = Connect(Ask(80));
  EXPECT_EQ(one.Receive().size() + two.Receive().size(), 4'096u);
  Move();
  Arrive(&new_, 400'000);
  EXPECT_EQ(one.Receive().size() + two.Receive().size(), 0u) << "the taker began anew";
  Turn(&new_, 4 * kSecondNanos);
  // Of 4,096 tokens: the floor's, and whole grants.
  EXPECT_EQ(one.Receive().size() + two.Receive().size(), 64u + 3 * 1'024);
}

class GuestsOfTwoClassesTest : public GuestsTest {
 protected:
  void Configure() override {
    GuestsTest::Configure();
    settings_.classes.push_back(settings_.classes[0]);
    settings_.classes[1].name = "default/bulk";
  }
};

// An upgrade would give it a burst as soon as it comes back to its first class.
TEST_F(GuestsOfTwoClassesTest, WhatAGuestHasHadInAnotherClassThanNowCrossesAHandover) {
  ServedClass* const other = old_.host->classes()[1];
  const GuestKey web = GuestKey::Named("web");
  Guests guests(16, 16);
  guests.Join(web, served(), 1'000, clock_.NowNanos());
  GuestShare* const share = guests.Join(web, other, absl::nullopt, clock_.NowNanos());
  guests.Leave(web, clock_.NowNanos());
  FakeMember connection(other->buffer());
  const GuestShare::Id part = share->Add(&connection);
  std::vector<std::string> carried;
  guests.ForEachRemembered(
      [&carried](const GuestKey& key, const ServedClass& in, const GuestShare&) {
        carried.push_back(key.text() + " " + in.name());
      });
  EXPECT_THAT(carried, testing::ElementsAre("web default/gold"));
  share->Remove(part, clock_.NowNanos());
  guests.Leave(web, clock_.NowNanos());
  guests.Tick(clock_.NowNanos() + 60 * kSecondNanos);
}

TEST_F(GuestsTest, AGuestThatIsAwayCrossesAHandover) {
  Fill(&old_, 400'000);
  Client client = Connect(Ask(80));
  EXPECT_THAT(client.Receive(), SizeIs(4'096));
  client.Hangup();
  Turn(&old_);
  Move();
  EXPECT_EQ(new_.host->connections()->guests()->size(), 1u);
  Fill(&new_, 400'000);
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  Client again{UniqueFd(fds[1])};
  again.Send(Ask(80));
  new_.host->connections()->Accept(kAuto, UniqueFd(fds[0]));
  Turn(&new_);
  EXPECT_LE(again.Receive().size(), 0x80u) << "the taker began with a full bucket";
}

TEST_F(GuestsTest, ConnectionsThatCrossAreKeptWhateverTheirNumber) {
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Connect());
  settings_.max_connections_per_guest = 2;
  Make(&new_);
  Move();
  for (Client& client : clients) EXPECT_FALSE(client.Closed());
}

}  // namespace
}  // namespace entropyd
