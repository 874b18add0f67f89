// The words that tables and views use for the enumerators of the protocol.
//
// Thread safety: functions without state.
#pragma once

#include "absl/strings/string_view.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// "healthy", "quarantined"; "unknown" for a state that only a newer server knows.
absl::string_view StateName(v1::SourceState state);
// "drbg", "full", "unknown".
absl::string_view QualityName(v1::Quality quality);
// "open", "suspended", "closed"; "opening" when the server has not answered yet.
absl::string_view PhaseName(v1::Phase phase);

}  // namespace entropyd
