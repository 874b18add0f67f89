// What a person can do after an upgrade or a reload that failed. The log and whoever asked get the
// same.
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
