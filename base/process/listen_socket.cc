#include "base/process/listen_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"

namespace entropyd {
namespace {

// Connections that wait in the kernel until they are accepted. The kernel lowers it to
// net.core.somaxconn, which is the same number by default.
constexpr int kBacklog = 4096;

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

absl::StatusOr<Addresses> Resolve(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  return Addresses(list);
}

void SetPort(sockaddr_storage* address, int port) {
  if (address->ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(static_cast<uint16_t>(port));
  }
}

int PortOf(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// The wildcard of either family is all zero.
sockaddr_storage Wildcard(int family) {
  sockaddr_storage address = {};
  address.ss_family = static_cast<sa_family_t>(family);
  return address;
}

bool IsWildcard(const sockaddr_storage& address) {
  const sockaddr_storage wildcard = Wildcard(address.ss_family);
  return memcmp(&address, &wildcard, sizeof address) == 0;
}

// What to do about an address that cannot be listened on.
absl::string_view ListenRemedy(int error) {
  switch (error) {
    case EADDRINUSE:
      return "end what listens there (ss -ltnp shows it), or choose another port";
    case EADDRNOTAVAIL:
      return "choose an address that is this machine's, or 0.0.0.0 for all of them";
    case EACCES:
      return "choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE";
    default:
      return "choose another address that is this machine's";
  }
}

// Adds the socket of one address. It takes the port of `result`, or chooses that.
absl::Status Add(sockaddr_storage address, ListenSockets* result) {
  SetPort(&address, result->port);
  UniqueFd fd(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  const int on = 1;
  // A restarted server need not wait for connections that the server before it closed.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof(sockaddr_in);
  if (address.ss_family == AF_INET6) {
    size = sizeof(sockaddr_in6);
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    const int only = !IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    return absl::UnavailableError(
        absl::StrCat(ErrnoStatus(error, "bind").message(), "; ", ListenRemedy(error)));
  }
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  result->port = PortOf(address);
  result->sockets.push_back(std::move(fd));
  return absl::OkStatus();
}

// The addresses of `address` with the port `port`.
absl::StatusOr<ListenSockets> Listen(const std::string& address, const HostPort& parsed, int port) {
  const absl::StatusOr<Addresses> resolved = Resolve(parsed.host);
  if (!resolved.ok()) {
    return absl::UnavailableError(
        absl::StrCat("listen on ", address, ": ", resolved.status().message(),
                     "; correct the name, or write an IP address of this machine"));
  }
  ListenSockets result;
  result.port = port;
  for (const addrinfo* each = resolved->get(); each != nullptr; each = each->ai_next) {
    sockaddr_storage where = {};
    memcpy(&where, each->ai_addr, each->ai_addrlen);
    if (IsWildcard(where)) where = Wildcard(AF_INET6);
    absl::Status opened = Add(where, &result);
    // A kernel without IPv6 has the other one.
    if (!opened.ok() && IsWildcard(where)) opened = Add(Wildcard(AF_INET), &result);
    if (!opened.ok()) {
      return absl::UnavailableError(absl::StrCat("listen on ", address, ": ", opened.message()));
    }
    if (IsWildcard(where)) break;
  }
  return result;
}

// Of a number, and of localhost; of the family 0 for other names.
sockaddr_storage Numeric(const std::string& host) {
  sockaddr_storage address = {};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address);
  const std::string known = absl::EqualsIgnoreCase(host, "localhost") ? "127.0.0.1" : host;
  if (inet_pton(AF_INET, known.c_str(), &v4->sin_addr) == 1) {
    address.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, known.c_str(), &v6->sin6_addr) == 1) {
    address.ss_family = AF_INET6;
  }
  return address;
}

}  // namespace

absl::StatusOr<ListenSockets> ListenOn(const std::string& address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  return parsed.ok() ? Listen(address, *parsed, parsed->port) : parsed.status();
}

absl::Status CheckListen(const std::string& address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  return parsed.ok() ? Listen(address, *parsed, 0).status() : parsed.status();
}

bool WantOneSocket(const std::string& one, const std::string& other) {
  const absl::StatusOr<HostPort> a = ParseHostPort(one), b = ParseHostPort(other);
  if (!a.ok() || !b.ok() || a->port == 0 || a->port != b->port) return false;
  const sockaddr_storage left = Numeric(a->host), right = Numeric(b->host);
  const auto all = [](const sockaddr_storage& at) { return at.ss_family != 0 && IsWildcard(at); };
  if (all(left) || all(right)) return true;
  if (left.ss_family != 0 && right.ss_family != 0) {
    return memcmp(&left, &right, sizeof left) == 0;
  }
  return absl::EqualsIgnoreCase(a->host, b->host);
}

std::string LocalAddress(const ListenSockets& sockets) {
  sockaddr_storage bound = {};
  socklen_t size = sizeof bound;
  getsockname(sockets.sockets.front().get(), reinterpret_cast<sockaddr*>(&bound), &size);
  char host[INET6_ADDRSTRLEN] = "127.0.0.1";
  SetPort(&bound, 0);
  const bool wildcard = IsWildcard(bound);
  if (bound.ss_family == AF_INET6 && !wildcard) {
    inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6&>(bound).sin6_addr, host, sizeof host);
    return absl::StrCat("[", host, "]:", sockets.port);
  }
  if (!wildcard) {
    inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in&>(bound).sin_addr, host, sizeof host);
  }
  return absl::StrCat(host, ":", sockets.port);
}

}  // namespace entropyd
