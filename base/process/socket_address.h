// Addresses of peers as the kernel gives them.
//
//   AddressText(address)       // "192.0.2.7", "2001:db8::1"
//   AddressGroup(address)      // who shares places with whom
//
// An IPv4 address that arrives at an IPv6 socket counts as IPv4.
//
// Errors: none; for what is no internet address all texts are "".
//
// Thread safety: functions without state.
#pragma once

#include <sys/socket.h>

#include <string>

namespace entropyd {

// The address without its port.
std::string AddressText(const sockaddr_storage& address);

// 0 when there is none.
int AddressPort(const sockaddr_storage& address);

// An IPv4 address, or the first 64 bits of an IPv6 address, because a single host may have all
// addresses that begin so (RFC 4291, 2.5.4).
std::string AddressGroup(const sockaddr_storage& address);

// 127.0.0.0/8 and ::1: a peer on this machine, which may come from any of them.
bool IsLoopback(const sockaddr_storage& address);

}  // namespace entropyd
