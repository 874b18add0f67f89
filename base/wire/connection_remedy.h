// What a person can do about a connection that failed, from what gRPC and OpenSSL say about it.
//
//   ConnectionRemedy("failed to connect to all addresses; last error: … Connection refused")
//   -> "nothing listens there: start the server, or correct host and port"
//   ServerRemedy("peer did not return a certificate")
//   -> "the peer has no certificate: …"
//
// Errors: none; "" = the text names no cause that is known here.
//
// Thread safety: a function without state.
#pragma once

#include "absl/strings/string_view.h"

namespace entropyd {

// For the side that connects, and for what is the same on both: "the peer" is the other one.
absl::string_view ConnectionRemedy(absl::string_view text);

// For the side that is connected to.
absl::string_view ServerRemedy(absl::string_view text);

}  // namespace entropyd
