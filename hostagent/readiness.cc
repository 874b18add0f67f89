#include "hostagent/readiness.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "hostagent/serving/class_counters.h"
#include "hostagent/serving/local_fallback.h"

namespace entropyd {
namespace {

std::string Named(const std::vector<std::string>& classes) {
  return absl::StrCat(classes.size() == 1 ? "class " : "classes ", absl::StrJoin(classes, ", "));
}

bool Blocked(const ClassCounters& counters) {
  return counters.modes[static_cast<size_t>(LocalFallback::Mode::kBlocked)].Get() != 0;
}

}  // namespace

absl::Status Readiness(const AgentMetrics& metrics, size_t named_classes, bool was_attached) {
  std::vector<std::string> refused, blocked;
  bool buffered = false;
  for (size_t i = 0; i < metrics.classes().size(); ++i) {
    const ClassCounters& counters = *metrics.classes()[i];
    // Guests that only metadata would bring to a class are served in their listener's.
    const bool needed = i < named_classes || counters.guests.Get() > 0;
    if (needed && counters.refused.Get() != 0) refused.push_back(counters.class_name);
    if (Blocked(counters)) blocked.push_back(counters.class_name);
    buffered |= counters.buffer_level.Get() > 0;
  }
  if (!refused.empty()) {
    return absl::UnavailableError(
        absl::StrCat("the server refuses ", Named(refused),
                     ", so nobody serves the guests there; entropyctl status says why"));
  }
  if (metrics.waiting_listeners.Get() > 0) {
    return absl::UnavailableError(
        "a listener is not open, or its file is lost; entropyctl status says which, and why");
  }
  if (!was_attached && !buffered) {
    return absl::UnavailableError("not yet attached to a server, and nothing buffered");
  }
  if (blocked.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("guests of ", Named(blocked),
                   " wait, and the server is gone; entropyctl status says why, and "
                   "on_upstream_loss: local would serve them meanwhile"));
}

}  // namespace entropyd
