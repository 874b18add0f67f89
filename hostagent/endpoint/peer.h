// Who is at the other end of a unix socket.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct Peer {
  int32_t pid = 0;  // 0 = in another pid namespace
  uint32_t uid = 0;
  std::string program;  // file name of its executable, or its comm; empty = not to be seen
  bool qemu = false;
};

// SO_PEERCRED, then /proc/PID/exe, or /proc/PID/comm where another user's exe may not be read. The
// program is what the pid is *now*: a hint that decides about priming, not an identity.
// Errors: of getsockopt.
absl::StatusOr<Peer> IdentifyPeer(int socket, const std::string& proc = "/proc");

// qemu-system-x86_64, qemu-kvm, kvm, ...
bool IsQemuProgram(absl::string_view program);

}  // namespace entropyd
