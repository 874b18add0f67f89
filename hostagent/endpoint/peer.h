// Tells who is at the other end of a socket.
//
//   absl::StatusOr<Peer> peer = IdentifyPeer(socket);
//   const bool prime = peer.ok() && peer->qemu;
//
// Thread safety: functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace entropyd {

struct Peer {
  // 0 = the peer is in another pid namespace.
  int32_t pid = 0;
  uint32_t uid = 0;
  // When its process started, since boot; 0 = nobody has looked.
  uint64_t start_ticks = 0;
  // Of a peer that came by TCP: "this host", or its AddressGroup (base/process/socket_address.h).
  // Else empty.
  std::string address;
  // The file name of its executable, or its comm, through EscapeControls (base/text/names.h);
  // empty = cannot be seen.
  std::string program;
  bool qemu = false;
};

// Reads SO_PEERCRED, then /proc/PID/exe, or /proc/PID/comm where another user's exe may not be
// read. The program is what the pid is *now*: a hint that decides about unasked bytes, not an
// identity. Errors: of getsockopt.
absl::StatusOr<Peer> IdentifyPeer(int socket, const std::string& proc = "/proc");

// Where a peer comes from that came by TCP; empty = it did not.
std::string PeerAddress(int socket);

// True for qemu-system-x86_64, qemu-kvm, kvm and the like.
bool IsQemuProgram(absl::string_view program);

}  // namespace entropyd
