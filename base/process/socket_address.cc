#include "base/process/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

struct Internet {
  int family = AF_UNSPEC;
  in_addr v4 = {};
  in6_addr v6 = {};
};

Internet Normalized(const sockaddr_storage& address) {
  Internet result;
  if (address.ss_family == AF_INET) {
    result = {AF_INET, reinterpret_cast<const sockaddr_in&>(address).sin_addr, {}};
  } else if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    result = {AF_INET6, {}, v6};
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      result.family = AF_INET;
      memcpy(&result.v4, &v6.s6_addr[12], sizeof result.v4);
    }
  }
  return result;
}

std::string TextOf(const Internet& peer) {
  if (peer.family == AF_UNSPEC) return "";
  char text[INET6_ADDRSTRLEN] = "";
  const void* const bytes = peer.family == AF_INET ? static_cast<const void*>(&peer.v4) : &peer.v6;
  inet_ntop(peer.family, bytes, text, sizeof text);
  return text;
}

}  // namespace

std::string AddressText(const sockaddr_storage& address) { return TextOf(Normalized(address)); }

int AddressPort(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  }
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return 0;
}

std::string AddressGroup(const sockaddr_storage& address) {
  Internet peer = Normalized(address);
  if (peer.family != AF_INET6) return TextOf(peer);
  memset(&peer.v6.s6_addr[8], 0, 8);
  return absl::StrCat(TextOf(peer), "/64");
}

bool IsLoopback(const sockaddr_storage& address) {
  const Internet peer = Normalized(address);
  if (peer.family == AF_INET) return ntohl(peer.v4.s_addr) >> 24 == IN_LOOPBACKNET;
  return peer.family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&peer.v6);
}

}  // namespace entropyd
