#include "server/pool/pool_state.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace entropyd {
namespace {

const char* Name(v1::SourceState state) {
  switch (state) {
    case v1::SOURCE_STATE_HEALTHY:
      return "healthy";
    case v1::SOURCE_STATE_QUARANTINED:
      return "quarantined";
    case v1::SOURCE_STATE_LATCHED:
      return "latched";
    case v1::SOURCE_STATE_GONE:
      return "gone";
    default:
      return "starting";
  }
}

std::string List(const std::vector<PoolState::Missing>& missing) {
  return absl::StrJoin(missing, ", ", [](std::string* out, const PoolState::Missing& one) {
    absl::StrAppend(out, one.source, " is ", Name(one.state));
  });
}

}  // namespace

std::string PoolState::Text() const {
  switch (reason) {
    case Reason::kNone:
      return "";
    case Reason::kNoFreshSeed:
      return absl::StrCat(fresh_groups, " of ", needed_groups, " groups gave a fresh seed",
                          missing.empty() ? "" : ": ", List(missing));
    case Reason::kSeedWornOut:
      return absl::StrCat("no seed since ", bytes_since_seed, " bytes");
    case Reason::kNothingStored:
      return absl::StrCat("no bytes stored: ", List(missing));
    case Reason::kSourcesMissing:
      return List(missing);
    case Reason::kSoftwareOnly:
      return "software sources only";
    case Reason::kComponentFailed:
      return absl::StrCat("failed: ", failure);
  }
  return "";
}

bool PoolState::LooksLike(const PoolState& other) const {
  return ready() == other.ready() && degraded() == other.degraded() && reason == other.reason &&
         fresh_groups == other.fresh_groups && needed_groups == other.needed_groups &&
         bytes_since_seed == other.bytes_since_seed && missing == other.missing &&
         failure == other.failure;
}

}  // namespace entropyd
