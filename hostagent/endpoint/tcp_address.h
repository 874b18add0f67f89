// IP:PORT as people write it: "127.0.0.1:7744", "[::1]:7744". Names are not looked up: where a
// socket is opened must not depend on a resolver.
#pragma once

#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  bool loopback = false;  // 127.0.0.0/8 or ::1: nobody but this host
};

// Errors: INVALID_ARGUMENT with the remedy. Thread safety: a function without state.
absl::StatusOr<TcpAddress> ParseTcpAddress(absl::string_view text);

}  // namespace entropyd
