// What a person can do about a connection that failed, from what gRPC and OpenSSL say about it.
//
//   ConnectionRemedy("failed to connect to all addresses; last error: … Connection refused")
//   -> "nothing listens there: start the server, or correct host and port"
//   ServerRemedy("peer did not return a certificate")
//   -> "the peer has no certificate: …"
//
//   StepOf("DNS resolution failed for …")   -> ConnectionStep::kName
//
// Errors: none; "" = the text names no cause that is known here.
//
// Thread safety: a function without state.
#pragma once

#include "absl/strings/string_view.h"

namespace entropyd {

// How far an attempt to connect came.
enum class ConnectionStep {
  // No address was found for the name.
  kName,
  // Nobody took the connection.
  kTcp,
  // Somebody took it, and the handshake failed.
  kTls,
  // The connection stands. What we said over it, Hello or a call, failed.
  kHello,
};

// "name", "TCP", "TLS", "Hello".
absl::string_view StepWord(ConnectionStep step);

// The step that failed. REQUIRES: the text is about an attempt that did not succeed.
ConnectionStep StepOf(absl::string_view text);

// What an error about a name begins with, so that StepOf() knows it.
inline constexpr char kLookUp[] = "look up the name ";
// The words of an error about a connection that was not made in time.
inline constexpr char kNoConnection[] = "no connection within ";

// For the side that connects, and for what is the same on both: "the peer" is the other one.
absl::string_view ConnectionRemedy(absl::string_view text);

// For the side that is connected to.
absl::string_view ServerRemedy(absl::string_view text);

}  // namespace entropyd
