// Connections whose guest may have no more commands pending: what comes stays unread, and is read
// when there is room.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/guest/connections.h"
#include "tests/hostagent/served_host.h"

namespace entropyd {
namespace {

size_t PidReplyBytes() { return 1 + absl::StrCat(getpid()).size(); }

// 0x00 and 0x04 in turn, 5,000 of each. The class gives nothing until something has arrived.
Bytes AlternatingBehindOneByte() {
  Bytes commands = {0x02, 1};
  for (int i = 0; i < 5'000; ++i) commands.insert(commands.end(), {0x00, 0x04});
  return commands;
}

class LeftUnreadTest : public ServedHostTest {
 protected:
  // What the second has received when both have read all they get.
  size_t BothRead(Client* greedy, Client* second) {
    Arrive(2);
    size_t bytes = 0;
    for (int turn = 0; turn < 400; ++turn) {
      Turn();
      greedy->Receive();
      bytes += second->Receive().size();
    }
    return bytes;
  }
};

// Here all of them are one guest's, because one process has made them.
TEST_F(LeftUnreadTest, WhatAGuestMayNotHavePendingStaysUnread) {
  Client greedy = Connect(kAuto, AlternatingBehindOneByte());
  EXPECT_EQ(OnlyGuest().requests(), 10'001u);
  Client second = Connect(kAuto, AlternatingBehindOneByte());
  for (int turn = 0; turn < 200; ++turn) Turn();
  EXPECT_FALSE(second.Closed());
  EXPECT_EQ(counters().left_unread.Get(), 1u);
  EXPECT_LT(counters().requests[0x04].Get(), 10'000u);
  // Who has few commands pending notices nothing.
  Client polite = Connect(kAuto, {0x04, 0x00});
  EXPECT_EQ(polite.Receive().size(), PidReplyBytes() + 4);
  // Each reply makes room, and nothing of what was unread is lost.
  const size_t bytes = BothRead(&greedy, &second);
  EXPECT_EQ(counters().requests[0x04].Get(), 10'001u);
  EXPECT_EQ(bytes, 1 + 5'000 * (4 + PidReplyBytes()));
}

// The kernel tells of a descriptor that was left unread only when something new comes.
TEST_F(LeftUnreadTest, WhoHasShutDownItsSideGetsAllRepliesToWhatWasUnread) {
  Client greedy = Connect(kAuto, AlternatingBehindOneByte());
  Client second = Connect(kAuto, AlternatingBehindOneByte());
  for (int turn = 0; turn < 200; ++turn) Turn();
  ASSERT_EQ(counters().left_unread.Get(), 1u);
  second.FinishSending();
  Turn();
  const size_t bytes = BothRead(&greedy, &second);
  EXPECT_EQ(bytes, 1 + 5'000 * (4 + PidReplyBytes()));
  EXPECT_TRUE(second.Closed());
}

// By TCP a peer that is gone looks like one that has only finished sending.
TEST_F(LeftUnreadTest, AGonePeerByTcpIsGivenUpAlsoWhileItIsLeftUnread) {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener.get(), name, size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), name, &size), 0);
  UniqueFd peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(peer.get(), name, size), 0);
  Client client(std::move(peer));
  Bytes commands = AlternatingBehindOneByte();
  commands.resize(2 * EgdSession::kMaxRuns, 0x00);
  for (size_t i = 3; i < commands.size(); i += 2) commands[i] = 0x04;
  client.Send(commands);
  host_->connections()->Accept(
      kAuto, UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)));
  for (int turn = 0; turn < 50; ++turn) Turn();
  ASSERT_EQ(counters().left_unread.Get(), 1u);
  client.Hangup();
  Turn();
  Turn(29 * kSecondNanos);
  EXPECT_EQ(host_->connections()->size(), 1u);
  Turn(2 * kSecondNanos);
  EXPECT_EQ(host_->connections()->size(), 0u);
}

}  // namespace
}  // namespace entropyd
