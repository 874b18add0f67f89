#include "server/pool/pool_state.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/wire/state_names.h"

namespace entropyd {
namespace {

std::string List(const std::vector<PoolState::Missing>& missing) {
  return absl::StrJoin(missing, ", ", [](std::string* out, const PoolState::Missing& one) {
    absl::StrAppend(out, one.source, " is ", SourceStateName(one.state));
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
