#include "client/ctl/describe.h"

namespace entropyd {

absl::string_view StateName(v1::SourceState state) {
  switch (state) {
    case v1::SOURCE_STATE_STARTING:
      return "starting";
    case v1::SOURCE_STATE_HEALTHY:
      return "healthy";
    case v1::SOURCE_STATE_QUARANTINED:
      return "quarantined";
    case v1::SOURCE_STATE_LATCHED:
      return "latched";
    case v1::SOURCE_STATE_GONE:
      return "gone";
    default:
      return "unknown";
  }
}

absl::string_view QualityName(v1::Quality quality) {
  switch (quality) {
    case v1::QUALITY_DRBG:
      return "drbg";
    case v1::QUALITY_FULL:
      return "full";
    default:
      return "unknown";
  }
}

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
