// The error of a call to a server or an agent, told once.
//
//   return CallError("drain", " of host:7743", FromGrpc(status));
//   // "drain: no agent 'x' is attached" becomes "drain of host:7743: no agent 'x' is attached"
//
// Thread safety: functions without state.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace entropyd {

// `error` with what failed before its message: `verb` and `whom`, "list classes" and
// " of host:7743". Most messages begin with the verb already, or with the first words of it; those
// words are not repeated.
absl::Status CallError(absl::string_view verb, absl::string_view whom, const absl::Status& error);

// What the message of WithPatience() begins with.
inline constexpr char kNoAnswer[] = "no answer within ";

// What a call with this deadline ended with. gRPC says no more than "Deadline Exceeded" when the
// deadline has passed; this says how long the caller waited. Every other status stays as it is.
absl::Status WithPatience(const absl::Status& status, absl::Duration timeout);

}  // namespace entropyd
