#include "client/show/describe.h"

namespace entropyd {

absl::string_view PhaseName(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_OPEN:
      return "open";
    case v1::PHASE_SUSPENDED:
      return "suspended";
    case v1::PHASE_CLOSED:
      return "closed";
    default:
      return "opening";
  }
}

}  // namespace entropyd
