#include "client/egd_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/crypto/secret_bytes.h"
#include "base/process/fd.h"

namespace entropyd {
namespace {

constexpr uint8_t kReadBlocking = 0x02;
constexpr uint64_t kLargestRead = 255;  // NN is one byte
// Bytes that were asked for and have not come yet. QEMU 10 may have 64 KiB outstanding.
constexpr uint64_t kWindow = 64 << 10;

absl::StatusOr<UniqueFd> Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("connect ", path, ": the path is longer than ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("connect ", path));
  }
  return fd;
}

// Returns commands for as much of `*unasked` as fits into the window.
std::string NextCommands(uint64_t in_flight, uint64_t* unasked) {
  std::string commands;
  while (*unasked > 0) {
    const uint64_t size = std::min(kLargestRead, *unasked);
    if (in_flight + size > kWindow) break;
    commands.push_back(static_cast<char>(kReadBlocking));
    commands.push_back(static_cast<char>(size));
    in_flight += size;
    *unasked -= size;
  }
  return commands;
}

absl::Status SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "send EGD command");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EgdDraw> DrawFromEgd(const std::string& socket, uint64_t bytes,
                                    absl::Duration patience) {
  absl::StatusOr<UniqueFd> fd = Connect(socket);
  if (!fd.ok()) return fd.status();
  uint64_t unasked = bytes;
  EgdDraw draw;
  const absl::Time start = absl::Now();
  while (draw.bytes < bytes) {
    const uint64_t asked = bytes - unasked;
    absl::Status sent = SendAll(fd->get(), NextCommands(asked - draw.bytes, &unasked));
    if (!sent.ok()) return sent;
    pollfd look{fd->get(), POLLIN, 0};
    const int ready = poll(&look, 1, static_cast<int>(absl::ToInt64Milliseconds(patience)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      return absl::DeadlineExceededError(absl::StrCat("read ", socket, ": no byte for ",
                                                      absl::FormatDuration(patience), " after ",
                                                      draw.bytes, " of ", bytes));
    }
    uint8_t buffer[16384];
    const ssize_t n = recv(fd->get(), buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, absl::StrCat("read ", socket));
    if (n == 0) {
      return absl::DataLossError(
          absl::StrCat("read ", socket, ": closed after ", draw.bytes, " of ", bytes, " bytes"));
    }
    Wipe(absl::MakeSpan(buffer, static_cast<size_t>(n)));
    draw.bytes += static_cast<uint64_t>(n);
  }
  draw.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  uint8_t surplus;
  if (draw.bytes > bytes || recv(fd->get(), &surplus, 1, MSG_DONTWAIT) > 0) {
    return absl::DataLossError(absl::StrCat("read ", socket, ": more bytes than were asked for"));
  }
  return draw;
}

}  // namespace entropyd
