// How a pool stands: a pure function from what is known of its groups of sources.
//
//   const PoolStanding standing = StandingOf(facts, now_nanos);
//   if (standing.state.ready()) …                            // until standing.ready_until_nanos
//
// Ready takes fresh seeds from as many groups as the configuration asks for. What may stop a pool
// is looked at in this order: a component that failed, too few fresh seeds, a seed that is worn
// out, and (quality full) an empty store that no healthy group can fill.
//
// No I/O, no clock. Thread safety: pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/pool/pool_state.h"

namespace entropyd {

struct PoolFacts {
  struct Group {
    // Some source of it is worth more than 0 bits.
    bool credited = false;
    // A credited source of it is healthy now.
    bool healthy = false;
    // When it gave the last seed that still counts; -1 = none.
    int64_t seeded_at_nanos = -1;
  };
  std::vector<Group> groups;
  // Credited sources that are not healthy.
  std::vector<PoolState::Missing> missing;
  uint32_t min_healthy_groups = 1;
  int64_t max_seed_age_nanos = 0;
  uint64_t bytes_since_seed = 0;
  uint64_t max_bytes_per_seed = 0;
  // Quality full.
  bool stores = false;
  uint64_t stored_bytes = 0;
  bool software_only = false;
  // Not empty: a component failed, for good.
  std::string failure;
  uint64_t seed_generation = 0;
  uint64_t discard_epoch = 0;
};

struct PoolStanding {
  PoolState state;
  // Credited, with a healthy source.
  uint32_t healthy_groups = 0;
  // When time alone ends it; 0 = not ready.
  int64_t ready_until_nanos = 0;
};

PoolStanding StandingOf(const PoolFacts& facts, int64_t now_nanos);

}  // namespace entropyd
