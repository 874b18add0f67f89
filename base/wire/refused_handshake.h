// Explains why a server refused our certificate in the handshake. With TLS 1.3 our side of the
// handshake is over by then: gRPC 1.51 says "Endpoint read failed", and OpenSSL knows which alert
// it was (base/crypto/handshake_watch.h).
//
//   absl::Status status = WithRefusal(FromGrpc(...));
//   // PERMISSION_DENIED: permission denied: no policy rule gives spiffe://dc1/agent/h7 a role
//
// Errors: none; another error, or one without an alert, stays as it is.
//
// Thread safety: a function without state of its own. The alert is the last one of this process. A
// process that dials several servers at once may report the reason of another server.
#pragma once

#include "absl/status/status.h"
#include "base/crypto/handshake_watch.h"

namespace entropyd {

// The codes are those with which servers refuse calls: UNAUTHENTICATED for a certificate that is
// revoked, expired, of an unknown CA or of nobody; PERMISSION_DENIED for one without a role.
absl::Status WithRefusal(const absl::Status& status, const tls::Alert& alert = tls::LastAlert());

}  // namespace entropyd
