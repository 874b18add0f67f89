// One TLS handshake with a server, to learn what is wrong with it. Unlike gRPC it goes on after a
// fault of the certificate, and reports all faults, not only the first.
//
//   absl::StatusOr<TlsProbe> probe = ProbeTls(socket.get(), ours, "entropyd.example", deadline);
//   if (probe.ok() && !probe->name_fits) …
//
// Thread safety: a function without state. REQUIRES: main() has called tls::RequireTls13().
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace entropyd::doctor {

// PEM. Without a certificate of its own (both empty) a client learns of the server's only.
struct OwnTls {
  std::string cert;
  std::string key;
  std::string ca;
};

struct TlsProbe {
  std::string subject;
  std::string issuer;
  absl::Time not_before;
  absl::Time not_after;
  enum class Trust { kGood, kOtherCa, kExpired, kNotYetValid, kOther };
  Trust trust = Trust::kGood;
  std::string trust_problem;  // in OpenSSL's words; empty = none
  bool name_fits = false;
  // What the server says of our certificate, in OpenSSL's words; empty = nothing.
  std::string alert;
  bool answered = false;  // the server has begun HTTP/2: it has taken our certificate
};

// `fd` is connected and does not block. Sends nothing but the handshake. Errors: UNAVAILABLE when
// there is no handshake, with OpenSSL's words; DEADLINE_EXCEEDED; INVALID_ARGUMENT (our files).
absl::StatusOr<TlsProbe> ProbeTls(int fd, const OwnTls& own, const std::string& host,
                                  absl::Time deadline);

}  // namespace entropyd::doctor
