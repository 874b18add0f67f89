// Opens the TCP sockets of an address.
//
//   absl::StatusOr<ListenSockets> sockets = ListenOn("[::]:7743");
//   poll(...), accept4(sockets->sockets[0].get(), ...)
//
// A wildcard, 0.0.0.0 or [::], is one socket for IPv4 and IPv6. A name gets one socket for each of
// its addresses.
//
// Errors: INVALID_ARGUMENT (the text), UNAVAILABLE (no such host; the address is in use or not this
// machine's), each with what to do.
//
// Thread safety: functions without state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/process/fd.h"

namespace entropyd {

struct ListenSockets {
  // They do not block, and a program that is started does not inherit them.
  std::vector<UniqueFd> sockets;
  // All have this one.
  int port = 0;
};

// A second process cannot listen on the same address: sockets that share a port would share its
// connections without a word.
absl::StatusOr<ListenSockets> ListenOn(const std::string& address);

// Whether this machine could listen there, even if another program does so now: the host is known,
// and its addresses are this machine's. May ask the name service, as ListenOn() does. Errors: of
// ListenOn().
absl::Status CheckListen(const std::string& address);

// Whether one program could not listen on both, as far as their texts tell: one port, and one
// address or a wildcard. Asks nobody.
bool WantOneSocket(const std::string& one, const std::string& other);

// Where a program of this machine reaches them, as HOST:PORT: the first address, or the loopback
// when that is a wildcard.
std::string LocalAddress(const ListenSockets& sockets);

}  // namespace entropyd
