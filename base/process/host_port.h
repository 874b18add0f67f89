// An address as operators write it: HOST:PORT, or [IPV6]:PORT.
//
//   const absl::StatusOr<HostPort> address = ParseHostPort("[::1]:7743");
//
// Errors: INVALID_ARGUMENT, with the text and what to write instead.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct HostPort {
  // Without brackets.
  std::string host;
  // 0 = any.
  int port = 0;
};

// The port is never guessed: an address without one is an error.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);
// The same for somebody to connect to, who has no port 0.
absl::StatusOr<HostPort> ParseRemoteHostPort(absl::string_view text);

}  // namespace entropyd
