// Whether a pool may serve: a pure function of what is known of its groups of sources.
//
//   const PoolStanding standing = StandingOf(facts, now_nanos);
//   if (standing.state.ready()) …                            // until standing.ready_until_nanos
//
// A pool is ready when as many groups as the configuration asks for have given fresh seeds. What
// may stop a pool is checked in this order: a component that failed; too few fresh seeds; a seed
// that is worn out; for quality full, an empty store that no healthy group can fill.
//
// Errors: none; a PoolState says why a pool may not serve.
//
// Thread safety: a pure function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/pool/pool_state.h"

namespace entropyd {

struct PoolFacts {
  struct Group {
    // True when some source of the group is worth more than 0 bits.
    bool credited = false;
    // True when a credited source of the group is healthy now.
    bool healthy = false;
    // When the group gave the last seed that still counts; -1 = none.
    int64_t seeded_at_nanos = -1;
  };
  std::vector<Group> groups;
  // Credited sources that are not healthy.
  std::vector<PoolState::Missing> missing;
  uint32_t min_healthy_groups = 1;
  int64_t max_seed_age_nanos = 0;
  uint64_t bytes_since_seed = 0;
  uint64_t max_bytes_per_seed = 0;
  // True for quality full.
  bool stores = false;
  uint64_t stored_bytes = 0;
  bool software_only = false;
  // Not empty when a component has failed for good.
  std::string failure;
  uint64_t seed_generation = 0;
  uint64_t discard_epoch = 0;
};

struct PoolStanding {
  PoolState state;
  // The credited groups with a healthy source.
  uint32_t healthy_groups = 0;
  // When time alone ends the readiness; 0 = not ready.
  int64_t ready_until_nanos = 0;
};

PoolStanding StandingOf(const PoolFacts& facts, int64_t now_nanos);

// Fills in what operators are told of it: ready, degraded, reason, healthy_groups, seed_generation.
void Describe(const PoolStanding& standing, v1::Pool* pool);

}  // namespace entropyd
