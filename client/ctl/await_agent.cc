#include "client/ctl/await_agent.h"

#include "client/show/tables.h"

namespace entropyd {

absl::StatusOr<v1::GetStatusResponse> AwaitAgent(
    const std::function<absl::StatusOr<v1::GetStatusResponse>()>& ask,
    const std::function<absl::Time()>& now, const std::function<void(absl::Duration)>& sleep) {
  absl::Time limit = now() + kAnswerPatience;
  bool answered = false;
  while (true) {
    auto status = ask();
    if (status.ok() && !answered) {
      answered = true;
      limit = now() + kClassesPatience;
    }
    if ((status.ok() && ClassTroubles(*status).empty()) || now() >= limit) return status;
    sleep(kAgentCheck);
  }
}

}  // namespace entropyd
