// The error of a call to a server or an agent, told once.
//
//   return CallError("drain", " of host:7743", FromGrpc(status));
//   // "drain: no agent 'x' is attached" becomes "drain of host:7743: no agent 'x' is attached"
//
// Thread safety: a function without state.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// `error` with what failed before its message: `verb` and `whom`, "list classes" and
// " of host:7743". Most messages begin with the verb already, or with the first words of it; those
// words are not repeated.
absl::Status CallError(absl::string_view verb, absl::string_view whom, const absl::Status& error);

}  // namespace entropyd
