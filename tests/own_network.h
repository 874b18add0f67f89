// A network of the test's own: a loopback that is up, with the addresses that the test wants, and
// nothing else.
//
//   InNetworkOf({"2001:db8::1"}, [&] {
//     Start("[::]:0");
//     EXPECT_TRUE(ConnectFrom("2001:db8::1"));
//   });
//
// It needs root or user namespaces. Without both the test fails and says so: a test that is left
// out looks like one that has passed.
//
// The body runs in a child process, because a process with several threads may make no user
// namespace. What fails in there fails the test. What the body changes is the child's alone.
//
// Thread safety: call it before the test has started a thread.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace own_network {

// The kernel's in6_ifreq (linux/ipv6.h, which does not go together with netinet/in.h).
struct Ipv6OfInterface {
  in6_addr address;
  uint32_t prefix_bits;
  int interface;
};

// The kernel takes an address into use a moment after it was added, and tells of it by netlink
// only. Returns false when that takes more than 10 s.
inline bool AwaitAddress(const in6_addr& added) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = added;
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    const UniqueFd fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
    std::this_thread::yield();
  }
  return false;
}

// What is wrong; "" = nothing.
inline std::string Enter(const std::vector<const char*>& addresses) {
  const auto problem = [](const char* step) { return absl::StrCat(step, ": ", strerror(errno)); };
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    return absl::StrCat(problem("unshare"),
                        "; run the test as root, or allow user namespaces "
                        "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)");
  }
  const UniqueFd fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return absl::StrCat(problem("open an IPv6 socket"), "; boot a kernel with IPv6");
  ifreq up = {};
  snprintf(up.ifr_name, sizeof up.ifr_name, "lo");
  up.ifr_flags = IFF_UP;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &up) != 0) return problem("start the loopback");
  for (const char* const address : addresses) {
    Ipv6OfInterface one = {};
    inet_pton(AF_INET6, address, &one.address);
    one.prefix_bits = 128;
    one.interface = static_cast<int>(if_nametoindex("lo"));
    if (ioctl(fd.get(), SIOCSIFADDR, &one) != 0) return problem(address);
    if (!AwaitAddress(one.address)) return absl::StrCat(address, ": does not come into use");
  }
  if (!AwaitAddress(in6addr_loopback)) return "::1: does not come into use; enable IPv6";
  return "";
}

}  // namespace own_network

inline void InNetworkOf(const std::vector<const char*>& addresses,
                        const std::function<void()>& body) {
  fflush(nullptr);  // or the child would write it, too
  const pid_t child = fork();
  ASSERT_GE(child, 0) << strerror(errno);
  if (child == 0) {
    const std::string problem = own_network::Enter(addresses);
    EXPECT_EQ(problem, "") << "no network of the test's own";
    if (problem.empty()) body();
    fflush(nullptr);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child has told why";
}

}  // namespace entropyd
