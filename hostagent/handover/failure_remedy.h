// What a person can do after a failed upgrade or reload. The log and the caller get the same text.
//
//   log->Error("upgrade.failed", {{"reason", why}, {"remedy", FailureRemedy(purpose, why)}});
//   done(WithRemedy(purpose, why), "");
//
// Errors: none.
//
// Thread safety: functions without state.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace entropyd {

enum class HandoverPurpose { kUpgrade, kReload };

std::string FailureRemedy(HandoverPurpose purpose, const absl::Status& why);
// `why` with its remedy. OK stays OK.
absl::Status WithRemedy(HandoverPurpose purpose, const absl::Status& why);

}  // namespace entropyd
