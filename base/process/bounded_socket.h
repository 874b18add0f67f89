// Connections whose every step ends in time.
//
//   const absl::Time deadline = absl::Now() + absl::Seconds(2);
//   absl::StatusOr<UniqueFd> socket = ConnectWithin("192.0.2.7:7743", deadline);
//   if (socket.ok()) ExchangeWithin(socket->get(), request, most, deadline);
//
// Errors: UNAVAILABLE with the address and the kernel's words; DEADLINE_EXCEEDED; INVALID_ARGUMENT
// (no address).
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/process/fd.h"

namespace entropyd {

// `address` is IP:PORT or [IPV6]:PORT. The socket does not block.
absl::StatusOr<UniqueFd> ConnectWithin(const std::string& address, absl::Time deadline);

// Sends `request`, and returns what comes until the peer closes: `most` bytes at most.
absl::StatusOr<std::string> ExchangeWithin(int fd, const std::string& request, size_t most,
                                           absl::Time deadline);

}  // namespace entropyd
