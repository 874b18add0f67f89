#include "client/failed_step.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/process/fd.h"
#include "base/process/host_port.h"
#include "base/wire/answer_mark.h"
#include "base/wire/connection_remedy.h"
#include "client/call_error.h"

namespace entropyd {
namespace {

// Each may take its whole patience.
constexpr size_t kMostTried = 4;

std::string Step(ConnectionStep step, absl::string_view text) {
  return absl::StrCat(StepWord(step), ": ", text);
}

// OK = somebody takes connections there.
absl::Status TryTcp(const std::string& address, absl::Duration patience) {
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
  const UniqueFd fd(socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int begun = fd ? connect(fd.get(), list->ai_addr, list->ai_addrlen) : -1;
  int failed = begun == 0 ? 0 : errno;
  freeaddrinfo(list);
  if (failed == EINPROGRESS) {
    pollfd ready = {fd.get(), POLLOUT, 0};
    if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) != 1) {
      return absl::UnavailableError("says nothing");
    }
    socklen_t size = sizeof failed;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  }
  return failed == 0 ? absl::OkStatus() : absl::UnavailableError(strerror(failed));
}

// Of a call from which nothing came back (`said`): which part of the way there fails.
std::string LookAt(absl::string_view said, const std::string& server, const StepPatience& patience,
                   const NameLookup::Resolve& resolve) {
  const NameLookup::Answer addresses = NameLookup(resolve, patience.name).Find(server);
  if (!addresses.ok()) return Step(ConnectionStep::kName, addresses.status().message());
  std::vector<std::string> tried;
  for (size_t i = 0; i < std::min(addresses->size(), kMostTried); ++i) {
    const std::string& address = (*addresses)[i];
    const absl::Status status = TryTcp(address, patience.address);
    if (status.ok()) {
      return Step(ConnectionStep::kTls, absl::StrCat(said, ": ", address,
                                                     " takes the connection, and no handshake "
                                                     "followed"));
    }
    tried.push_back(absl::StrCat(address, " ", status.message()));
  }
  return Step(ConnectionStep::kTcp, absl::StrCat(said, ": ", absl::StrJoin(tried, ", ")));
}

// gRPC gives the target when there is no connection.
bool IsConnected(absl::string_view peer) {
  return absl::StartsWith(peer, "ipv4:") || absl::StartsWith(peer, "ipv6:");
}

}  // namespace

absl::Status TellStep(const absl::Status& status, const std::string& server, absl::string_view peer,
                      const StepPatience& patience, const NameLookup::Resolve& resolve) {
  if (IsAnswer(status)) return status;
  const absl::string_view said = status.message();
  if (absl::IsDeadlineExceeded(status) && absl::StartsWith(said, kNoAnswer)) {
    if (!IsConnected(peer)) {
      return absl::UnavailableError(LookAt(said, server, patience, resolve));
    }
    return absl::DeadlineExceededError(absl::StrCat("connected, but ", said));
  }
  if (!absl::IsUnavailable(status)) return status;
  const ConnectionStep step = StepOf(said);
  if (step == ConnectionStep::kHello) return status;
  return absl::UnavailableError(Step(step, said));
}

}  // namespace entropyd
