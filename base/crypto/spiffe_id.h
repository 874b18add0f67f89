// The rules of a SPIFFE ID, "spiffe://TRUST-DOMAIN/PATH". Source: the SPIFFE ID specification, 2.1
// to 2.3. Those who issue certificates and those who read them use the same rules.
//
//   if (absl::Status status = CheckSpiffeId(uri); !status.ok()) return status;
//
// Errors: INVALID_ARGUMENT with the rule that is broken, without the ID.
//
// Thread safety: functions without state.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace entropyd {

// The specification has it in lower case only.
inline constexpr absl::string_view kSpiffeScheme = "spiffe://";

// Takes the ID of a trust domain, too, which has no path. Does not check the length: the
// specification allows 2048 bytes, and callers allow less.
absl::Status CheckSpiffeId(absl::string_view id);

// Whether the ID names somebody in the trust domain, and not the domain itself.
// REQUIRES: CheckSpiffeId(id).ok().
bool HasSpiffePath(absl::string_view id);

}  // namespace entropyd
