#include "hostagent/endpoint/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/process/fd.h"
#include "base/process/socket_address.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

std::string ProgramOf(const std::string& directory) {
  char buffer[PATH_MAX];
  const ssize_t length = readlink(absl::StrCat(directory, "/exe").c_str(), buffer, sizeof buffer);
  if (length > 0) {
    absl::string_view path(buffer, static_cast<size_t>(length));
    path = absl::StripSuffix(path, " (deleted)");  // a package upgrade replaced the file
    return std::string(path.substr(path.rfind('/') + 1));
  }
  UniqueFd comm(open(absl::StrCat(directory, "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!comm) return "";
  const ssize_t n = read(comm.get(), buffer, sizeof buffer);
  if (n <= 0) return "";
  return std::string(absl::StripSuffix(absl::string_view(buffer, static_cast<size_t>(n)), "\n"));
}

}  // namespace

bool IsQemuProgram(absl::string_view program) {
  return absl::StartsWith(program, "qemu-") || program == "kvm";
}

std::string PeerAddress(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "";
  // A peer on this host chooses among 16 million addresses.
  return IsLoopback(address) ? "this host" : AddressGroup(address);
}

absl::StatusOr<Peer> IdentifyPeer(int socket, const std::string& proc) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoStatus(errno, "identify peer: SO_PEERCRED");
  }
  Peer peer;
  peer.pid = credentials.pid;
  peer.uid = credentials.uid;
  if (peer.pid == 0) peer.address = PeerAddress(socket);
  if (peer.pid > 0) {
    // The user who runs a program chooses its name, and tables, handovers and terminals get it.
    peer.program = EscapeControls(ProgramOf(absl::StrCat(proc, "/", peer.pid)), "");
  }
  peer.qemu = IsQemuProgram(peer.program);
  return peer;
}

}  // namespace entropyd
