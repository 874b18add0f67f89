// The error of a call to a server or an agent, which names the call only once.
//
//   return CallError("drain", " of host:7743", FromGrpc(status));
//   // "drain: no agent 'x' is attached" becomes "drain of host:7743: no agent 'x' is attached"
//
// Errors: none. They make one error of another.
//
// Thread safety: functions without state.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd {

// `error` with what failed before its message: `verb` ("list classes") and `whom`, which has the
// preposition (" of host:7743"). Most messages begin with the verb already, or with the first words
// of it; those words are not repeated. It stays an answer (base/wire/answer_mark.h).
absl::Status CallError(absl::string_view verb, absl::string_view whom, const absl::Status& error);

// What the message of WithPatience() begins with.
inline constexpr char kNoAnswer[] = "no answer within ";

// `status` with how long the caller waited for it, when that was long: gRPC gives up a connection
// before the call's own deadline, and does not say when. Answers and what names a time already stay
// as they are.
absl::Status WithWait(const absl::Status& status, absl::Duration waited);

// What a call with this deadline ended with. gRPC says no more than "Deadline Exceeded" when the
// deadline has passed; this says how long the caller waited. Every other status stays as it is.
absl::Status WithPatience(const absl::Status& status, absl::Duration timeout);

}  // namespace entropyd
