#include "base/process/listen_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

bool Connects(const char* host, int port) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(port));
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  const bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
  if (!is_v4) inet_pton(AF_INET6, host, &v6.sin6_addr);
  const UniqueFd fd(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return is_v4 ? connect(fd.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4) == 0
               : connect(fd.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0;
}

TEST(ListenSocketTest, AWildcardOfEitherFamilyServesBoth) {
  for (const char* address : {"0.0.0.0:0", "[::]:0"}) {
    const absl::StatusOr<ListenSockets> listening = ListenOn(address);
    ASSERT_TRUE(listening.ok()) << listening.status();
    EXPECT_EQ(listening->sockets.size(), 1u);
    EXPECT_TRUE(Connects("127.0.0.1", listening->port)) << address;
    EXPECT_TRUE(Connects("::1", listening->port)) << address;
    EXPECT_EQ(LocalAddress(*listening), absl::StrCat("127.0.0.1:", listening->port));
  }
}

TEST(ListenSocketTest, AnAddressServesItself) {
  const absl::StatusOr<ListenSockets> v4 = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(v4.ok()) << v4.status();
  EXPECT_TRUE(Connects("127.0.0.1", v4->port));
  EXPECT_FALSE(Connects("::1", v4->port));
  EXPECT_EQ(LocalAddress(*v4), absl::StrCat("127.0.0.1:", v4->port));
  const absl::StatusOr<ListenSockets> v6 = ListenOn("[::1]:0");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_TRUE(Connects("::1", v6->port));
  EXPECT_FALSE(Connects("127.0.0.1", v6->port));
  EXPECT_EQ(LocalAddress(*v6), absl::StrCat("[::1]:", v6->port));
}

TEST(ListenSocketTest, ANameHasOnePort) {
  const absl::StatusOr<ListenSockets> listening = ListenOn("localhost:0");
  ASSERT_TRUE(listening.ok()) << listening.status();
  EXPECT_GT(listening->port, 0);
  for (const UniqueFd& socket : listening->sockets) {
    EXPECT_TRUE(fcntl(socket.get(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(fcntl(socket.get(), F_GETFL) & O_NONBLOCK);
  }
}

TEST(ListenSocketTest, WhatCannotBeHadIsSaidWithItsAddress) {
  const absl::StatusOr<ListenSockets> first = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = absl::StrCat("127.0.0.1:", first->port);
  const absl::Status second = ListenOn(taken).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.message(), HasSubstr(absl::StrCat("listen on ", taken, ": ")));
  EXPECT_THAT(second.message(), HasSubstr("in use"));
  EXPECT_THAT(ListenOn("192.0.2.1:0").status().message(), HasSubstr("Cannot assign"));
  EXPECT_TRUE(absl::IsUnavailable(ListenOn("no-such-host.invalid:1").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ListenOn("127.0.0.1").status()));
}

TEST(ListenSocketTest, EachThatCannotBeHadHasARemedyOfItsOwn) {
  const absl::StatusOr<ListenSockets> first = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(ListenOn(absl::StrCat("127.0.0.1:", first->port)).status().message(),
              HasSubstr("; end what listens there"));
  EXPECT_THAT(ListenOn("192.0.2.1:0").status().message(),
              HasSubstr("; choose an address that is this machine's"));
  EXPECT_THAT(ListenOn("no-such-host.invalid:1").status().message(),
              HasSubstr("; correct the name"));
}

TEST(ListenSocketTest, ACheckAsksForTheAddressAndNotForThePort) {
  const absl::StatusOr<ListenSockets> first = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(CheckListen(absl::StrCat("127.0.0.1:", first->port)).ok()) << "a server runs there";
  EXPECT_TRUE(CheckListen("0.0.0.0:7743").ok());
  for (const char* address : {"192.0.2.1:7743", "no-such-host.invalid:7743"}) {
    EXPECT_EQ(CheckListen(address).code(), absl::StatusCode::kUnavailable) << address;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(CheckListen("127.0.0.1")));
}

TEST(ListenSocketTest, TwoAddressesWantOneSocketWhenPortAndAddressMeet) {
  const std::pair<const char*, const char*> meeting[] = {
      {"127.0.0.1:9743", "127.0.0.1:9743"}, {"0.0.0.0:9743", "127.0.0.1:9743"},
      {"127.0.0.1:9743", "[::]:9743"},      {"[::1]:9743", "[0:0:0:0:0:0:0:1]:9743"},
      {"localhost:9743", "127.0.0.1:9743"}, {"node.example:9743", "NODE.example:9743"}};
  for (const auto& [one, other] : meeting) EXPECT_TRUE(WantOneSocket(one, other)) << one << other;
  const std::pair<const char*, const char*> apart[] = {
      {"127.0.0.1:9743", "127.0.0.1:9744"}, {"0.0.0.0:0", "0.0.0.0:0"},
      {"127.0.0.1:9743", "127.0.0.2:9743"}, {"127.0.0.1:9743", "[::1]:9743"},
      {"a.example:9743", "b.example:9743"}, {"", "127.0.0.1:9743"}};
  for (const auto& [one, other] : apart) EXPECT_FALSE(WantOneSocket(one, other)) << one << other;
}

}  // namespace
}  // namespace entropyd
