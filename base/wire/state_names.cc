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

absl::string_view ClassModeName(ClassMode mode) {
  switch (mode) {
    case ClassMode::kUpstream:
      return "upstream";
    case ClassMode::kLocal:
      return "local";
    case ClassMode::kBlocked:
      return "blocked";
    case ClassMode::kClosed:
      return "closed";
  }
  return "";
}

absl::optional<ClassMode> ParseClassMode(absl::string_view name) {
  for (size_t i = 0; i < kClassModes; ++i) {
    const auto mode = static_cast<ClassMode>(i);
    if (ClassModeName(mode) == name) return mode;
  }
  return absl::nullopt;
}

}  // namespace entropyd
