// The words that tables and views use for the phases of a channel. Those for sources and pools are
// in base/wire/state_names.h.
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include "absl/strings/string_view.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// "open", "suspended", "closed"; "opening" when the server has not answered yet.
absl::string_view PhaseName(v1::Phase phase);

}  // namespace entropyd
