#include "base/process/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

sockaddr_storage AddressOf(const char* host, int port) {
  sockaddr_storage storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
  } else {
    storage = {};
    inet_pton(AF_INET6, host, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
  }
  return storage;
}

TEST(SocketAddressTest, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(AddressText(AddressOf("192.0.2.7", 4711)), "192.0.2.7");
  EXPECT_EQ(AddressText(AddressOf("2001:db8::1", 4711)), "2001:db8::1");
  EXPECT_EQ(AddressText(AddressOf("::ffff:192.0.2.7", 4711)), "192.0.2.7");
}

TEST(SocketAddressTest, HasThePortOfEitherFamily) {
  EXPECT_EQ(AddressPort(AddressOf("192.0.2.7", 4711)), 4711);
  EXPECT_EQ(AddressPort(AddressOf("2001:db8::1", 65535)), 65535);
}

TEST(SocketAddressTest, WhatIsNoInternetAddressHasNoText) {
  sockaddr_storage local = {};
  local.ss_family = AF_UNIX;
  for (const sockaddr_storage& address : {sockaddr_storage{}, local}) {
    EXPECT_EQ(AddressText(address), "");
    EXPECT_EQ(AddressPort(address), 0);
    EXPECT_EQ(AddressGroup(address), "");
  }
}

TEST(SocketAddressTest, AHostOfIpv6IsItsNetwork) {
  EXPECT_EQ(AddressGroup(AddressOf("192.0.2.7", 1)), AddressGroup(AddressOf("192.0.2.7", 2)));
  EXPECT_NE(AddressGroup(AddressOf("192.0.2.7", 1)), AddressGroup(AddressOf("192.0.2.8", 1)));
  EXPECT_EQ(AddressGroup(AddressOf("::ffff:192.0.2.7", 1)),
            AddressGroup(AddressOf("192.0.2.7", 1)));
  EXPECT_EQ(AddressGroup(AddressOf("2001:db8:0:1::1", 1)),
            AddressGroup(AddressOf("2001:db8:0:1:f::2", 1)));
  EXPECT_NE(AddressGroup(AddressOf("2001:db8:0:1::1", 1)),
            AddressGroup(AddressOf("2001:db8:0:2::1", 1)));
}

TEST(SocketAddressTest, LoopbackIsThisMachine) {
  for (const char* here : {"127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.2"}) {
    EXPECT_TRUE(IsLoopback(AddressOf(here, 1))) << here;
  }
  for (const char* elsewhere : {"128.0.0.1", "126.255.255.255", "::2", "::ffff:192.0.2.7"}) {
    EXPECT_FALSE(IsLoopback(AddressOf(elsewhere, 1))) << elsewhere;
  }
  sockaddr_storage local = {};
  local.ss_family = AF_UNIX;
  EXPECT_FALSE(IsLoopback(local));
}

}  // namespace
}  // namespace entropyd
