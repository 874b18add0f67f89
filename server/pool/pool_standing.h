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
    bool credited = false;         // some source of it is worth more than 0 bits
    bool healthy = false;          // a credited source of it is healthy now
    int64_t seeded_at_nanos = -1;  // when it gave the last seed that still counts; -1 = none
  };
  std::vector<Group> groups;
  std::vector<PoolState::Missing> missing;  // credited sources that are not healthy
  uint32_t min_healthy_groups = 1;
  int64_t max_seed_age_nanos = 0;
  uint64_t bytes_since_seed = 0;
  uint64_t max_bytes_per_seed = 0;
  bool stores = false;  // quality full
  uint64_t stored_bytes = 0;
  bool software_only = false;
  std::string failure;  // not empty: a component failed, for good
  uint64_t seed_generation = 0;
  uint64_t discard_epoch = 0;
};

struct PoolStanding {
  PoolState state;
  uint32_t healthy_groups = 0;    // credited, with a healthy source
  int64_t ready_until_nanos = 0;  // when time alone ends it; 0 = not ready
};

PoolStanding StandingOf(const PoolFacts& facts, int64_t now_nanos);

}  // namespace entropyd
