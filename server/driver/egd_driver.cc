#include "server/driver/egd_driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/process/host_port.h"
#include "base/wire/egd.h"
#include "server/driver/file_rights.h"

namespace entropyd {
namespace {

// NN of command 0x02 is one byte.
constexpr size_t kMaxRequest = 255;

// A small read, because a daemon has other clients. Whole words leave no half sample behind.
constexpr size_t kReadBytes = 252;

// 16 kB/s would suffice for reseeding. This rate also keeps a full pool with zero-credit sources
// fresh. An agent that limits its guests to 1 MiB/s hardly notices it.
constexpr uint64_t kDefaultMaxRate = 64 << 10;

// A numeric host and a port. To resolve a name might take for ever.
bool ParseAddress(absl::string_view text, sockaddr_storage* out, socklen_t* bytes,
                  bool* is_loopback) {
  const absl::StatusOr<HostPort> parsed = ParseRemoteHostPort(text);
  if (!parsed.ok()) return false;
  const auto port = static_cast<uint16_t>(parsed->port);
  sockaddr_in v4{};
  if (inet_pton(AF_INET, parsed->host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(out, &v4, *bytes = sizeof(v4));
    *is_loopback = (ntohl(v4.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    return true;
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, parsed->host.c_str(), &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(out, &v6, *bytes = sizeof(v6));
  *is_loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
  return true;
}

// Every fault of a connection means "not there now", whatever errno says.
absl::Status Unavailable(int error, absl::string_view what, absl::string_view name) {
  return absl::UnavailableError(ErrnoStatus(error, absl::StrCat(what, " ", name)).message());
}

}  // namespace

ConfigFault EgdDriver::Check(const config::v1::SourceConfig& config) {
  if (config.path().empty() && config.address().empty()) {
    return {"path",
            "driver egd needs the daemon's socket, e.g. path: /run/egd.sock; TCP only with "
            "address: 127.0.0.1:8888"};
  }
  if (!config.path().empty() && !config.address().empty()) {
    return {"address", "driver egd takes a path or an address, not both; remove one"};
  }
  if (config.path().size() >= sizeof(sockaddr_un::sun_path)) {
    return {"path", absl::StrCat("a socket's path has ", sizeof(sockaddr_un::sun_path) - 1,
                                 " bytes at most; choose a shorter one")};
  }
  if (config.address().empty()) return {};
  sockaddr_storage ignored;
  socklen_t bytes;
  bool is_loopback;
  if (!ParseAddress(config.address(), &ignored, &bytes, &is_loopback)) {
    return {"address", absl::StrCat("'", config.address(),
                                    "' is no numeric address and port; write e.g. 127.0.0.1:8888 "
                                    "or [::1]:8888")};
  }
  if (!is_loopback && config.min_entropy_bits_per_byte() > 0) {
    return {"min_entropy_bits_per_byte",
            absl::StrCat("bytes from ", config.address(),
                         " can be read on their way here, so they may not be credited; write 0, or "
                         "bring them to the loopback through a tunnel")};
  }
  return {};
}

ConfigFault EgdDriver::Look(const config::v1::SourceConfig& config) {
  const std::string& path = config.path();
  if (path.empty()) return {};
  const std::string what = absl::StrCat("connect to EGD daemon ", path);
  if (const absl::Status use = CheckAccess(path, R_OK | W_OK, what); !use.ok()) {
    return {"path", std::string(use.message())};
  }
  struct stat st;
  if (stat(path.c_str(), &st) != 0 || S_ISSOCK(st.st_mode)) return {};
  return {"path", absl::StrCat(what, ": it is no socket; name that of the daemon")};
}

SourceIdentity EgdDriver::Identify(const config::v1::SourceConfig& config) {
  SourceIdentity identity;
  SourceClaims& claims = identity.claims;
  claims.group = "host";
  claims.min_entropy = 0;
  claims.health_min_entropy = 4;
  claims.word_bytes = 4;
  claims.max_rate = config.max_rate() == 0 ? kDefaultMaxRate : config.max_rate();
  claims.read_bytes = kReadBytes;
  identity.root = config.path().empty()
                      ? absl::StrCat("EGD daemon ", RootOfAddress(config.address()))
                      : RootOfPath(config.path());
  identity.nature = SourceIdentity::Nature::kBorrowed;
  return identity;
}

std::unique_ptr<SourceDriver> EgdDriver::Create(const config::v1::SourceConfig& config,
                                                const SourceIdentity&) {
  return std::make_unique<EgdDriver>(config.path(), config.address());
}

EgdDriver::EgdDriver(const std::string& path, const std::string& address)
    : name_(path.empty() ? address : path) {
  if (path.empty()) {
    bool is_loopback;
    ParseAddress(address, &to_, &to_bytes_, &is_loopback);
    return;
  }
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, name_.data(), std::min(name_.size(), sizeof(local.sun_path) - 1));
  std::memcpy(&to_, &local, to_bytes_ = sizeof(local));
}

absl::StatusOr<std::string> EgdDriver::Open() {
  UniqueFd fd(socket(to_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("open a socket for ", name_));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to_), to_bytes_) != 0) {
    int error = errno;
    if (error == ENOENT || error == EACCES || error == EPERM) {
      return CannotUse(error, absl::StrCat("connect to EGD daemon ", name_), name_);
    }
    if (error != EINPROGRESS) return Unavailable(error, "connect to EGD daemon", name_);
    // On the loopback the result is known now. From farther away the first Read() learns it.
    socklen_t bytes = sizeof(error);
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error != 0) return Unavailable(error, "connect to EGD daemon", name_);
  }
  connection_ = std::move(fd);
  owed_ = 0;
  if (to_.ss_family == AF_UNIX) root_ = RootOfPath(name_);
  return absl::StrCat("EGD daemon at ", name_);
}

absl::Status EgdDriver::Request(size_t bytes) {
  // The driver did not ask for any byte that is here now.
  uint8_t unasked;
  const ssize_t n = recv(connection_.get(), &unasked, 1, MSG_PEEK);
  if (n > 0) {
    return absl::UnavailableError(
        absl::StrCat("read ", name_, ": the daemon sent more than it was asked for"));
  }
  if (n == 0) return absl::UnavailableError(absl::StrCat("read ", name_, ": the daemon hung up"));
  if (errno == ENOTCONN) return absl::OkStatus();  // still connecting: nothing can be sent
  if (errno != EAGAIN && errno != EINTR) return Unavailable(errno, "read", name_);
  const uint8_t request[] = {static_cast<uint8_t>(egd::CommandType::kReadBlocking),
                             static_cast<uint8_t>(std::min(bytes, kMaxRequest))};
  const ssize_t sent = send(connection_.get(), request, sizeof(request), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (sent < 0) return Unavailable(errno, "write to", name_);
  if (sent != static_cast<ssize_t>(sizeof(request))) {
    return absl::UnavailableError(absl::StrCat("write to ", name_, ": half a request was sent"));
  }
  owed_ = request[1];
  return absl::OkStatus();
}

absl::StatusOr<size_t> EgdDriver::Read(absl::Span<uint8_t> out) {
  if (owed_ == 0) {
    if (absl::Status status = Request(out.size()); !status.ok()) return status;
    if (owed_ == 0) return size_t{0};
  }
  const ssize_t n = recv(connection_.get(), out.data(), std::min(out.size(), owed_), 0);
  if (n > 0) {
    owed_ -= static_cast<size_t>(n);
    return static_cast<size_t>(n);
  }
  if (n == 0) {
    return absl::UnavailableError(
        absl::StrCat("read ", name_, ": the daemon hung up while it owed ", owed_, " bytes"));
  }
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return Unavailable(errno, "read", name_);
}

}  // namespace entropyd
