// IP:PORT as people write it: "127.0.0.1:7744", "[::1]:7744". It looks up no names: a resolver must
// not decide where a socket is opened.
//
//   TcpAddress address = ParseTcpAddress("127.0.0.1:7744").value();
//
// Thread safety: a function without state.
#pragma once

#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  // 127.0.0.0/8 or ::1: only this host can reach it.
  bool loopback = false;
};

// Errors: INVALID_ARGUMENT with the remedy.
absl::StatusOr<TcpAddress> ParseTcpAddress(absl::string_view text);

}  // namespace entropyd
