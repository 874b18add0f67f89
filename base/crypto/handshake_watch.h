// Who is at the other end of a TLS handshake, and whether it may come in. gRPC reports only why a
// handshake failed, in a line of its log: neither address nor certificate.
//
//   WatchHandshakes();                                     // before gRPC is used
//   { NextPeer next("192.0.2.7:4711", socket, examiner); … give the connection to gRPC … }
//   const Handshake failed = TakeHandshake();              // where the failure is reported
//   const Alert refused = LastAlert();                     // where a client's call failed
//
// The examiner is asked when OpenSSL has verified the peer's certificate, and before the handshake
// is over: no byte of a refused peer is parsed. With TLS 1.3 the client's side of the handshake is
// over by then, so it learns of a refusal by an alert. gRPC 1.51 drops the alerts of handshakes
// that fail, so we send a server's ourselves (docs/decisions/0030-refused-in-the-handshake.md).
//
// OpenSSL tells of each new connection, of each record of a handshake, and of each certificate that
// it does not accept. The thread that works on a handshake reads a record, or writes an alert,
// before the handshake fails. gRPC reports the failure on the same thread, at once. So the failed
// handshake is the last one on that thread. After the handshake a server's connections are not
// watched any more, and a client's until the server has said something.
//
// Errors: none; what is not known is empty.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/process/nanos.h"

namespace entropyd::tls {

// A name in a certificate is shown up to here.
inline constexpr size_t kMaxShownName = 128;
// What a peer of an examiner may send besides its own certificate: some CAs between. A stranger may
// send somebody's certificate with anything, and the examiner remembers it.
inline constexpr int kMaxSentCertificates = 8;
inline constexpr size_t kMaxSentBytes = 16 << 10;  // as PEM

struct Handshake {
  // This process is the server in it.
  bool server = false;
  // The peer's address, where NextPeer gave it.
  std::string peer;
  // Why the peer's certificate was not accepted, in OpenSSL's words. "" = it presented none, or
  // something else failed; then there is no subject and no issuer.
  std::string problem;
  // Of the peer's own certificate, as ShowName(). They are the peer's words: printable ASCII,
  // bounded by kMaxShownName.
  std::string subject;
  std::string issuer;
  // The subject of the CA whose certificate has the problem, likewise. "" = the peer's own has it.
  std::string at_fault;
  // The peer's name, where an examiner has refused it.
  std::string identity;
};

// Why a peer is refused whose certificate OpenSSL accepts. Each is an alert of its own (RFC 8446,
// 6.2), so that the peer learns which it is.
enum class Refusal {
  kNone,
  // The certificate is good, but its identity may do nothing: handshake_failure, which means
  // nothing else at this point. OpenSSL lets nobody choose access_denied.
  kRole,
  kRevoked,    // it, or that of a CA that signed it: certificate_revoked
  kExpired,    // certificate_expired
  kUntrusted,  // no CA vouches for it any more: unknown_ca
  kName,       // it names nobody: bad_certificate
};

// Decides about peers of a server. Called on the threads that do handshakes.
class Examiner {
 public:
  struct Papers {
    // As NextPeer has it.
    const std::string& peer;
    const std::string& leaf_pem;
    // What the peer sent besides its leaf.
    const std::string& chain_pem;
  };
  struct Verdict {
    Refusal refusal = Refusal::kNone;
    // Of a refused peer: its name, and what is wrong, in words that do not name it.
    std::string identity = {};
    std::string problem = {};
  };
  virtual ~Examiner() = default;
  // The peer has not proved yet that it has the key of its certificate. So this may be told of a
  // stranger's handshake with somebody else's certificate.
  virtual Verdict Examine(const Papers& papers) = 0;
  // OpenSSL itself does not accept a certificate, because it has expired, or for another reason.
  virtual void Refused(bool expired) = 0;
};

// From now on, in this process. Another call changes nothing. A handshake that cannot be watched,
// for want of memory, fails.
void WatchHandshakes();
// Whether a peer of a server may not come in when there is no examiner to ask. REQUIRES:
// WatchHandshakes().
void RequireExaminer(bool required);

// The handshakes that this thread begins while this lives are with that peer, over that socket
// (-1 = unknown). Somebody else may close the socket at any time. The examiner may be null.
class NextPeer {
 public:
  explicit NextPeer(std::string peer, int socket = -1,
                    std::shared_ptr<Examiner> examiner = nullptr);
  ~NextPeer();
  NextPeer(const NextPeer&) = delete;
  NextPeer& operator=(const NextPeer&) = delete;
};

// The handshake that this thread has worked on last; all is empty when there is none. Forgets it.
Handshake TakeHandshake();

// What a server answered to our certificate.
struct Alert {
  // As in RFC 8446, section 6. 0 = none: the last server that this process has heard of has let us
  // in, or has said nothing, or that was kAlertLastsNanos ago.
  int description = 0;
  // Our name, as in the certificate that was refused.
  std::string identity;
};
// An error that comes later has another cause. Longer than gRPC waits until it dials a server again
// (client/grpc_channel.cc): until then calls fail with the error of that dial.
inline constexpr int64_t kAlertLastsNanos = kMinuteNanos;
Alert LastAlert();
// The same at another time of SystemClock.
Alert LastAlert(int64_t now_nanos);

}  // namespace entropyd::tls
