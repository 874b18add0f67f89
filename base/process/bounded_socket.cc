#include "base/process/bounded_socket.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/process/await_ready.h"
#include "base/process/host_port.h"

namespace entropyd {

absl::StatusOr<UniqueFd> ConnectWithin(const std::string& address, absl::Time deadline) {
  const absl::StatusOr<HostPort> where = ParseRemoteHostPort(address);
  if (!where.ok()) return where.status();
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int error =
          getaddrinfo(where->host.c_str(), absl::StrCat(where->port).c_str(), &hints, &list);
      error != 0) {
    return absl::InvalidArgumentError(gai_strerror(error));
  }
  UniqueFd fd(socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int failed = fd && connect(fd.get(), list->ai_addr, list->ai_addrlen) == 0 ? 0 : errno;
  freeaddrinfo(list);
  if (failed == EINPROGRESS) {
    if (!AwaitReady(fd.get(), POLLOUT, deadline)) {
      return absl::DeadlineExceededError(absl::StrCat(address, " says nothing"));
    }
    socklen_t size = sizeof failed;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  }
  if (failed == 0) return fd;
  return absl::UnavailableError(absl::StrCat(address, ": ", strerror(failed)));
}

absl::StatusOr<std::string> ExchangeWithin(int fd, const std::string& request, size_t most,
                                           absl::Time deadline) {
  const ssize_t sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  if (sent < 0) return absl::UnavailableError(absl::StrCat("send: ", strerror(errno)));
  if (static_cast<size_t>(sent) != request.size()) {
    return absl::UnavailableError(
        absl::StrCat("send: only ", sent, " of ", request.size(), " bytes were taken"));
  }
  std::string answer;
  char buffer[16384];
  while (answer.size() < most) {
    if (!AwaitReady(fd, POLLIN, deadline)) {
      return absl::DeadlineExceededError("connected, but no answer in time");
    }
    const ssize_t n = recv(fd, buffer, std::min(sizeof buffer, most - answer.size()), 0);
    if (n == 0) break;
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0) return absl::UnavailableError(absl::StrCat("receive: ", strerror(errno)));
    answer.append(buffer, static_cast<size_t>(n));
  }
  return answer;
}

}  // namespace entropyd
