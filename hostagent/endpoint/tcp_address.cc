#include "hostagent/endpoint/tcp_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/host_port.h"

namespace entropyd {

absl::StatusOr<TcpAddress> ParseTcpAddress(absl::string_view text) {
  absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not IP:PORT; write e.g. 127.0.0.1:7744 or [::1]:7744"));
  const absl::StatusOr<HostPort> parsed = ParseRemoteHostPort(text);
  if (!parsed.ok()) return bad;
  const std::string& host = parsed->host;
  const auto port = static_cast<uint16_t>(parsed->port);
  TcpAddress address;
  if (host.find(':') != std::string::npos) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return bad;
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return address;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(port);
  address.length = sizeof *v4;
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad;
  address.loopback = ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return address;
}

}  // namespace entropyd
