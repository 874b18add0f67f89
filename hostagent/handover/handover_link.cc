#include "hostagent/handover/handover_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace entropyd {
namespace {

constexpr size_t kHeaderBytes = 8;
// One read; a frame is seldom longer. So one call reads a header, and one piece.
constexpr size_t kPieceBytes = 64 * 1024;
constexpr int kReadsPerCall = 2;
// More descriptors are on their way than this user's limit allows. Wait until the peer has taken
// some.
constexpr absl::Duration kTooManyInFlight = absl::Milliseconds(1);

void PutBig(uint32_t value, char* out) {
  for (int i = 0; i < 4; ++i) out[i] = static_cast<char>(value >> (24 - 8 * i));
}

uint32_t GetBig(const char* in) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(in[i]);
  return value;
}

absl::Status Gone() { return absl::UnavailableError("hand over: the other process is gone"); }

}  // namespace

absl::StatusOr<std::unique_ptr<HandoverLink>> HandoverLink::Create(UniqueFd socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return ErrnoStatus(errno, "hand over: SO_PEERCRED");
  }
  if (peer.uid != geteuid() && peer.uid != 0) {
    return absl::PermissionDeniedError(absl::StrCat("hand over: the other process is of user ",
                                                    peer.uid, ", this one of ", geteuid(),
                                                    "; run both as the same user"));
  }
  const int flags = fcntl(socket.get(), F_GETFL);
  if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return ErrnoStatus(errno, "hand over: make the socket non-blocking");
  }
  return std::unique_ptr<HandoverLink>(new HandoverLink(std::move(socket), peer.pid));
}

absl::StatusOr<std::unique_ptr<HandoverLink>> HandoverLink::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("take over at ", path, ": the path is too long"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "create unix socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ECONNREFUSED) return absl::NotFoundError(absl::StrCat(path, ": nobody listens"));
    return ErrnoStatus(errno, absl::StrCat("take over at ", path));
  }
  return Create(std::move(fd));
}

absl::Status HandoverLink::Await(short events, absl::Time deadline) const {
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("hand over: the other process does not answer");
    }
    pollfd wait{socket_.get(), events, 0};
    const int n = poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (n > 0) return absl::OkStatus();
    if (n < 0 && errno != EINTR) return ErrnoStatus(errno, "hand over: poll");
  }
}

absl::Status HandoverLink::Send(const handover::v1::Message& message, absl::Span<const int> fds,
                                absl::Time deadline) {
  std::string frame(kHeaderBytes, '\0');
  message.AppendToString(&frame);
  if (frame.size() - kHeaderBytes > kMaxMessage || fds.size() > kMaxFds ||
      fds.size() > frame.size() * kFdsAtOnce) {
    return absl::InvalidArgumentError("hand over: a message is too large");
  }
  PutBig(static_cast<uint32_t>(frame.size() - kHeaderBytes), frame.data());
  PutBig(static_cast<uint32_t>(fds.size()), frame.data() + 4);
  for (absl::string_view left = frame; !left.empty();) {
    const absl::Span<const int> now = fds.first(std::min(fds.size(), kFdsAtOnce));
    const ssize_t n = SendPiece(left.substr(0, now.size() < fds.size() ? 1 : left.size()), now);
    if (n > 0) {
      left.remove_prefix(static_cast<size_t>(n));
      fds.remove_prefix(now.size());
    } else if (errno == EAGAIN) {
      if (auto status = Await(POLLOUT, deadline); !status.ok()) return status;
    } else if (errno == ETOOMANYREFS) {
      absl::SleepFor(kTooManyInFlight);
      if (absl::Now() > deadline) return ErrnoStatus(errno, "hand over: pass descriptors");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return Gone();
    } else if (errno != EINTR) {
      return ErrnoStatus(errno, "hand over: send");
    }
  }
  return absl::OkStatus();
}

// As sendmsg(2). The descriptors have gone with the first byte that has.
ssize_t HandoverLink::SendPiece(absl::string_view bytes, absl::Span<const int> fds) const {
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsAtOnce * sizeof(int))] = {};
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  return sendmsg(socket_.get(), &header, MSG_NOSIGNAL);
}

absl::StatusOr<bool> HandoverLink::Read(size_t want) {
  const size_t before = buffer_.size();
  buffer_.resize(before + std::min(want, kPieceBytes));
  alignas(cmsghdr) char control[CMSG_SPACE(kFdsAtOnce * sizeof(int))];
  iovec piece{buffer_.data() + before, buffer_.size() - before};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
  const int error = errno;
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0) {
    if (error == EAGAIN || error == EINTR) return false;
    return error == ECONNRESET ? Gone() : ErrnoStatus(error, "hand over: receive");
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds_.emplace_back(fd);
    }
  }
  if (n == 0) return Gone();
  if (header.msg_flags & MSG_CTRUNC) {
    return absl::DataLossError(
        "hand over: descriptors were lost on the way; raise LimitNOFILE of the new process");
  }
  return true;
}

absl::StatusOr<absl::optional<HandoverLink::Received>> HandoverLink::TryReceive() {
  for (int reads = 0; reads <= kReadsPerCall; ++reads) {
    size_t want = kHeaderBytes;
    if (buffer_.size() >= kHeaderBytes) {
      const size_t bytes = GetBig(buffer_.data());
      const size_t fds = GetBig(buffer_.data() + 4);
      if (bytes > kMaxMessage || fds > kMaxFds || fds_.size() > fds) {
        return absl::DataLossError("hand over: what came is no message");
      }
      want += bytes;
      if (buffer_.size() == want) {
        Received received;
        const bool parsed =
            received.message.ParseFromArray(buffer_.data() + kHeaderBytes, static_cast<int>(bytes));
        if (!parsed || fds_.size() != fds) {
          return absl::DataLossError("hand over: what came is no message");
        }
        received.fds = std::move(fds_);
        fds_.clear();
        buffer_.clear();
        return received;
      }
    }
    if (reads == kReadsPerCall) break;
    auto more = Read(want - buffer_.size());
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  return absl::nullopt;
}

absl::StatusOr<HandoverLink::Received> HandoverLink::Receive(absl::Time deadline) {
  while (true) {
    auto received = TryReceive();
    if (!received.ok()) return received.status();
    if (received->has_value()) return *std::move(*received);
    if (auto status = Await(POLLIN, deadline); !status.ok()) return status;
  }
}

void HandoverLink::StopReceiving() { shutdown(socket_.get(), SHUT_RD); }

}  // namespace entropyd
