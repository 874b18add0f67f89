// The patterns of a policy's rules: of the names in certificates, and of classes (POOL/CLASS).
//
//   if (MatchesPattern("spiffe://dc1/agent/*", identity)) Allow();
//
// Errors: none; every text is a pattern.
//
// Thread safety: a function of its arguments.
#pragma once

#include "absl/strings/string_view.h"

namespace entropyd {

// `*` matches any characters except '/'; every other character matches itself.
bool MatchesPattern(absl::string_view pattern, absl::string_view name);

}  // namespace entropyd
