// Names of peers: of what the kernel gives, and of what gRPC writes.
//
//   PeerKey(address) == PeerKeyOfUri(context->peer())      // the same connection
//
// Errors: none; what is no internet address has the key "".
//
// Thread safety: functions without state.
#pragma once

#include <sys/socket.h>

#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

// "192.0.2.7:4711" or "[2001:db8::1]:4711". An IPv4 address that arrives at an IPv6 socket is
// written as IPv4.
std::string PeerKey(const sockaddr_storage& address);

// The same of ServerContext::peer(), "ipv4:192.0.2.7:4711" or "ipv6:%5B2001:db8::1%5D:4711".
std::string PeerKeyOfUri(absl::string_view uri);

}  // namespace entropyd
