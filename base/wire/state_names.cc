#include "base/wire/state_names.h"

namespace entropyd {

absl::string_view SourceStateName(v1::SourceState state) {
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

}  // namespace entropyd
