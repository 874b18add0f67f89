// What a person can do about a connection that failed, from what gRPC and OpenSSL say about it.
//
//   ConnectionRemedy("failed to connect to all addresses; last error: … Connection refused")
//   -> "nothing listens there: start the server, or correct host and port"
//
// Errors: none; "" = the text names no cause that is known here.
//
// Thread safety: a function without state.
#pragma once

#include "absl/strings/string_view.h"

namespace entropyd {

// For both sides of a connection: "the peer" is the other one.
absl::string_view ConnectionRemedy(absl::string_view text);

}  // namespace entropyd
