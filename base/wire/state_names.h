// The words for what a source, a pool and an agent's class are, the same in metrics, sentences of
// the server, and tables of entropyctl.
//
//   absl::StrCat(source.name(), " is ", SourceStateName(source.state()))      // "trng is healthy"
//
// Errors: none; an enumerator that only a newer peer knows is "unknown".
//
// Thread safety: functions without state.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "proto/admin.pb.h"
#include "proto/entropy.pb.h"

namespace entropyd {

// "starting", "healthy", "quarantined", "latched", "gone", "unknown".
absl::string_view SourceStateName(v1::SourceState state);
// "drbg", "full", "unknown".
absl::string_view QualityName(v1::Quality quality);

// Who serves the guests of a class of an agent.
enum class ClassMode {
  // The buffer serves, or nobody waits, or upstream takes its time.
  kUpstream,
  // A DRBG of the agent's host serves, upstream being gone.
  kLocal,
  // Guests wait for an upstream that is gone.
  kBlocked,
  // A server that is there refuses the class, and nobody serves it.
  kClosed,
};
inline constexpr size_t kClassModes = 4;
// "upstream", "local", "blocked", "closed".
absl::string_view ClassModeName(ClassMode mode);
// The mode of that name. Absent: there is none, as in what a newer agent or one of 0.1 says.
absl::optional<ClassMode> ParseClassMode(absl::string_view name);

}  // namespace entropyd
