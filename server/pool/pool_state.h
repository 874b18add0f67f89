// The state of a pool at one moment: whether it serves, why not or why it is degraded, and from
// which seed its bytes come. It is a value, and all its parts belong to the same moment.
//
//   const PoolState state = pool->State();
//   if (!state.ready()) return absl::UnavailableError(state.Text());
//
// The reason is an enumerator with its figures. Text() makes the sentence that operators, agents
// and logs read. No code decides by the text.
//
// Errors: none.
//
// Thread safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/admin.pb.h"

namespace entropyd {

struct PoolState {
  enum class Phase {
    // No group has given a seed since the start.
    kStarting,
    kServing,
    // It serves, but a group of sources is lost, or there are software sources only.
    kDegraded,
    // It has served, or could have served, and may not serve now.
    kSuspended,
    // A self-test or a DRBG has failed, and it never serves again.
    kFailed,
  };
  enum class Reason {
    // With kServing.
    kNone,
    // Too few groups gave a fresh seed. Figures: fresh_groups, needed_groups, missing.
    kNoFreshSeed,
    // The pool gave out too much since the last seed. Figure: bytes_since_seed.
    kSeedWornOut,
    // Quality full: no byte is left, and no group could bring one. Figure: missing.
    kNothingStored,
    // With kDegraded. Figure: missing.
    kSourcesMissing,
    // With kDegraded.
    kSoftwareOnly,
    // With kFailed. Figure: failure.
    kComponentFailed,
  };
  // A credited source that is not healthy.
  struct Missing {
    std::string source;
    v1::SourceState state;
    bool operator==(const Missing&) const = default;
  };

  Phase phase = Phase::kStarting;
  Reason reason = Reason::kNone;
  // Figures of the reason; the others are empty.
  uint32_t fresh_groups = 0, needed_groups = 0;
  uint64_t bytes_since_seed = 0;
  std::vector<Missing> missing = {};
  std::string failure = {};

  uint64_t seed_generation = 0;
  // When the newest seed came, by the pool's clock; -1 = never.
  int64_t seeded_at_nanos = -1;
  // Rises when bytes given earlier must not be used any more: the only credited source failed.
  // Plans made under an older epoch are void, and agents are told to discard what they buffer.
  uint64_t discard_epoch = 0;

  // False: SUSPENDED (Attach), UNAVAILABLE (Get).
  bool ready() const { return phase == Phase::kServing || phase == Phase::kDegraded; }
  bool degraded() const { return phase == Phase::kDegraded; }
  // Says why it is not ready, or why it is degraded. Empty otherwise.
  std::string Text() const;
  // True when an operator would see no difference. Seeds do not count.
  bool LooksLike(const PoolState& other) const;
};

}  // namespace entropyd
