#include "server/door/door_probe.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace entropyd {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

// False when the deadline comes first.
bool Await(int fd, short events, absl::Time deadline) {
  pollfd ready = {fd, events, 0};
  const absl::Duration left = deadline - absl::Now();
  return poll(&ready, 1, static_cast<int>(std::max<int64_t>(0, absl::ToInt64Milliseconds(left)))) ==
         1;
}

// The first flight of a handshake. It goes no further than that: a peer that completes a handshake
// without a certificate is a line in the server's log.
std::string ClientHello() {
  const std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
  const std::unique_ptr<SSL, Freed<SSL_free>> ssl(SSL_new(context.get()));
  BIO* const incoming = BIO_new(BIO_s_mem());
  BIO* const outgoing = BIO_new(BIO_s_mem());
  if (ssl == nullptr || incoming == nullptr || outgoing == nullptr) {
    BIO_free(incoming);
    BIO_free(outgoing);
    return "";
  }
  SSL_set_bio(ssl.get(), incoming, outgoing);  // owns both
  // gRPC answers nobody who does not offer HTTP/2 (RFC 7301).
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl.get(), kHttp2, sizeof kHttp2);
  SSL_connect(ssl.get());  // wants an answer, which never comes
  char* data = nullptr;
  const long size = BIO_get_mem_data(outgoing, &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Status AwaitServerHello(int fd, absl::Time deadline) {
  const std::string hello = ClientHello();
  if (hello.empty()) return absl::UnavailableError("TLS: no memory");
  if (send(fd, hello.data(), hello.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(hello.size())) {
    return absl::UnavailableError("TLS: the server closed the connection");
  }
  constexpr uint8_t kHandshakeRecord = 22;  // RFC 8446, 5.1
  uint8_t type = 0;
  if (!Await(fd, POLLIN, deadline)) return absl::UnavailableError("TLS: no answer");
  if (recv(fd, &type, 1, 0) != 1) {
    return absl::UnavailableError("TLS: the server closed the connection");
  }
  if (type != kHandshakeRecord) return absl::UnavailableError("TLS: the server refused");
  return absl::OkStatus();
}

}  // namespace

absl::Status ProbeDoor(const absl::StatusOr<UniqueFd>& connection, absl::Duration patience) {
  absl::Status status = connection.status();
  if (status.ok()) status = AwaitServerHello(connection->get(), absl::Now() + patience);
  if (status.ok()) return status;
  return absl::UnavailableError(absl::StrCat("no client can connect: ", status.message()));
}

absl::Status DoorProbe::Check() {
  absl::MutexLock lock(&mutex_);
  if (clock_->NowNanos() < holds_until_nanos_) return answer_;
  answer_ = ProbeDoor(connect_(), kPatience);
  holds_until_nanos_ = clock_->NowNanos() + (answer_.ok() ? kHoldsNanos : kFailureHoldsNanos);
  return answer_;
}

}  // namespace entropyd
