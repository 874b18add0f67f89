#include "server/door/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

struct Internet {
  int family = AF_UNSPEC;
  in_addr v4 = {};
  in6_addr v6 = {};
  int port = 0;
};

Internet Normalized(const sockaddr_storage& address) {
  Internet result;
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    result = {AF_INET, v4.sin_addr, {}, ntohs(v4.sin_port)};
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    result = {AF_INET6, {}, v6.sin6_addr, ntohs(v6.sin6_port)};
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      result.family = AF_INET;
      memcpy(&result.v4, &v6.sin6_addr.s6_addr[12], sizeof result.v4);
    }
  }
  return result;
}

std::string Text(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, bytes, text, sizeof text);
  return text;
}

std::string PercentDecoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    int byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      decoded.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

}  // namespace

std::string PeerKey(const sockaddr_storage& address) {
  const Internet peer = Normalized(address);
  if (peer.family == AF_INET) return absl::StrCat(Text(AF_INET, &peer.v4), ":", peer.port);
  if (peer.family == AF_INET6) return absl::StrCat("[", Text(AF_INET6, &peer.v6), "]:", peer.port);
  return "";
}

std::string PeerKeyOfUri(absl::string_view uri) {
  const size_t scheme = uri.find(':');
  if (scheme == absl::string_view::npos) return "";
  std::string key = PercentDecoded(uri.substr(scheme + 1));
  // The interface of a link-local address, "[fe80::1%eth0]", is not part of the key.
  const size_t zone = key.find('%');
  const size_t end = key.find(']');
  if (zone != std::string::npos && end != std::string::npos && zone < end) {
    key.erase(zone, end - zone);
  }
  return key;
}

std::string AddressGroup(const sockaddr_storage& address) {
  Internet peer = Normalized(address);
  if (peer.family == AF_INET) return Text(AF_INET, &peer.v4);
  if (peer.family != AF_INET6) return "";
  memset(&peer.v6.s6_addr[8], 0, 8);
  return absl::StrCat(Text(AF_INET6, &peer.v6), "/64");
}

}  // namespace entropyd
