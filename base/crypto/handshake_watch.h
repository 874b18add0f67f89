// Who is at the other end of a TLS handshake that fails. gRPC tells the reason, in a line of its
// log, and nothing else: neither the address nor the certificate.
//
//   WatchHandshakes();                                     // before gRPC is used
//   { NextPeer next("192.0.2.7:4711"); … give the connection to gRPC … }
//   const Handshake failed = TakeHandshake();              // where the failure is told
//
// OpenSSL tells of each new connection, of each record of a handshake, and of each certificate that
// it does not accept. Whoever works on a handshake reads a record, or writes an alert, before it
// fails, and tells of the failure at once, on the same thread. So the handshake that a thread has
// worked on last is the one that failed. After the handshake nothing is watched.
//
// Errors: none; what is not known is empty.
//
// Thread safety: safe.
#pragma once

#include <cstddef>
#include <string>

namespace entropyd::tls {

// A name in a certificate is shown up to here.
inline constexpr size_t kMaxShownName = 128;

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
};

// From now on, in this process. Another call changes nothing.
void WatchHandshakes();

// The handshakes that this thread begins while this lives are with that peer.
class NextPeer {
 public:
  explicit NextPeer(std::string peer);
  ~NextPeer();
  NextPeer(const NextPeer&) = delete;
  NextPeer& operator=(const NextPeer&) = delete;
};

// The handshake that this thread has worked on last; all is empty when there is none. Forgets it.
Handshake TakeHandshake();

}  // namespace entropyd::tls
