// Sometimes the server cannot start yet, and time or a renewed file will solve it: a certificate is
// missing, cut off, expired or not valid yet. Then the server does not end. It waits and says why.
//
//   absl::StatusOr<ServerPlan> plan = load();
//   if (ServerPlan::TimeMayMend(plan.status())) plan = AwaitPlan(plan.status(), load, rest, told);
//
// Thread safety: a function without state.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/server_plan.h"

namespace entropyd {

// How many looks pass before an unchanged reason is reported again.
inline constexpr int kLooksUntilToldAgain = 60;

// `why`: the fault at the first look. `load` looks again. `rest` waits in between, for about a
// second, and returns false when the process was told to end. `tell` gets the reason at once, then
// each time it changes, and every kLooksUntilToldAgain looks. A fault of any kind that comes later
// does not end the waiting: somebody may be writing the configuration. Errors: CANCELLED after
// `rest` said so.
absl::StatusOr<ServerPlan> AwaitPlan(absl::Status why,
                                     const std::function<absl::StatusOr<ServerPlan>()>& load,
                                     const std::function<bool()>& rest,
                                     const std::function<void(const absl::Status&)>& tell);

}  // namespace entropyd
