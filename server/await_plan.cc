#include "server/await_plan.h"

#include <utility>

namespace entropyd {

absl::StatusOr<ServerPlan> AwaitPlan(absl::Status why,
                                     const std::function<absl::StatusOr<ServerPlan>()>& load,
                                     const std::function<bool()>& rest,
                                     const std::function<void(const absl::Status&)>& tell) {
  tell(why);
  for (int looks = 1; rest(); ++looks) {
    absl::StatusOr<ServerPlan> plan = load();
    if (plan.ok()) return plan;
    if (plan.status() != why || looks % kLooksUntilToldAgain == 0) tell(plan.status());
    why = plan.status();
  }
  return absl::CancelledError("start: this process was told to stop");
}

}  // namespace entropyd
