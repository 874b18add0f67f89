#include "server/door/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

sockaddr_storage Address(const char* host, int port) {
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

TEST(PeerAddressTest, TheKernelAndGrpcNameTheSamePeer) {
  EXPECT_EQ(PeerKey(Address("192.0.2.7", 4711)), "192.0.2.7:4711");
  EXPECT_EQ(PeerKeyOfUri("ipv4:192.0.2.7:4711"), "192.0.2.7:4711");
  EXPECT_EQ(PeerKey(Address("2001:db8::1", 1)), "[2001:db8::1]:1");
  EXPECT_EQ(PeerKeyOfUri("ipv6:%5B2001:db8::1%5D:1"), "[2001:db8::1]:1");
  EXPECT_EQ(PeerKeyOfUri("ipv6:[2001:db8::1]:1"), "[2001:db8::1]:1");
  EXPECT_EQ(PeerKey(Address("::ffff:192.0.2.7", 4711)), "192.0.2.7:4711");
  EXPECT_EQ(PeerKeyOfUri("ipv6:%5Bfe80::1%25eth0%5D:9"), PeerKey(Address("fe80::1", 9)));
}

TEST(PeerAddressTest, WhatIsNoPeerHasNoName) {
  EXPECT_EQ(PeerKey(sockaddr_storage{}), "");
  EXPECT_EQ(PeerKeyOfUri(""), "");
  EXPECT_EQ(PeerKeyOfUri("unknown"), "");
  EXPECT_EQ(PeerKeyOfUri("ipv6:%5"), "%5");
}

}  // namespace
}  // namespace entropyd
