// The protocol's enumerators in the words that tables and views use.
//
// Thread safety: functions without state.
#pragma once

#include "absl/strings/string_view.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// "healthy", "quarantined"; "unknown" for what a newer server may say.
absl::string_view StateName(v1::SourceState state);
// "drbg", "full", "unknown".
absl::string_view QualityName(v1::Quality quality);
// "open", "suspended", "closed", "opening" (the server has not answered).
absl::string_view PhaseName(v1::Phase phase);

}  // namespace entropyd
