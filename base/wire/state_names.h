// The words for what a source and a pool are, the same in metrics, sentences of the server, and
// tables of entropyctl.
//
//   absl::StrCat(source.name(), " is ", SourceStateName(source.state()))      // "trng is healthy"
//
// Errors: none; an enumerator that only a newer peer knows is "unknown".
//
// Thread safety: functions without state.
#pragma once

#include "absl/strings/string_view.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// "starting", "healthy", "quarantined", "latched", "gone", "unknown".
absl::string_view SourceStateName(v1::SourceState state);
// "drbg", "full", "unknown".
absl::string_view QualityName(v1::Quality quality);

}  // namespace entropyd
