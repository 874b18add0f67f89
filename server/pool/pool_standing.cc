#include "server/pool/pool_standing.h"

#include <algorithm>
#include <functional>

namespace entropyd {
namespace {

using Phase = PoolState::Phase;
using Reason = PoolState::Reason;

// Why the pool may not serve; kNone = it may.
Reason WhyNotReady(const PoolFacts& facts, size_t fresh_groups, uint32_t healthy_groups) {
  if (!facts.failure.empty()) return Reason::kComponentFailed;
  if (fresh_groups < facts.min_healthy_groups) return Reason::kNoFreshSeed;
  if (facts.bytes_since_seed >= facts.max_bytes_per_seed) return Reason::kSeedWornOut;
  if (facts.stores && facts.stored_bytes == 0 && healthy_groups == 0) return Reason::kNothingStored;
  return Reason::kNone;
}

}  // namespace

PoolStanding StandingOf(const PoolFacts& facts, int64_t now_nanos) {
  PoolStanding standing;
  PoolState& state = standing.state;
  state.seed_generation = facts.seed_generation;
  state.discard_epoch = facts.discard_epoch;
  uint32_t credited = 0;
  std::vector<int64_t> fresh_until;  // of the groups whose seed is fresh
  for (const PoolFacts::Group& group : facts.groups) {
    state.seeded_at_nanos = std::max(state.seeded_at_nanos, group.seeded_at_nanos);
    if (!group.credited) continue;
    ++credited;
    standing.healthy_groups += group.healthy;
    const int64_t until = group.seeded_at_nanos + facts.max_seed_age_nanos;
    if (group.seeded_at_nanos >= 0 && now_nanos < until) fresh_until.push_back(until);
  }
  const bool group_lost = standing.healthy_groups < credited;

  state.reason = WhyNotReady(facts, fresh_until.size(), standing.healthy_groups);
  if (state.reason == Reason::kNone) {
    // The pool is ready as long as the last of the needed groups is fresh.
    std::sort(fresh_until.begin(), fresh_until.end(), std::greater<>());
    standing.ready_until_nanos = fresh_until[facts.min_healthy_groups - 1];
    state.phase = group_lost || facts.software_only ? Phase::kDegraded : Phase::kServing;
    if (group_lost) {
      state.reason = Reason::kSourcesMissing;
    } else if (facts.software_only) {
      state.reason = Reason::kSoftwareOnly;
    }
  } else if (state.reason == Reason::kComponentFailed) {
    state.phase = Phase::kFailed;
    state.failure = facts.failure;
  } else {
    state.phase = state.seeded_at_nanos < 0 ? Phase::kStarting : Phase::kSuspended;
  }

  switch (state.reason) {
    case Reason::kNoFreshSeed:
      state.fresh_groups = static_cast<uint32_t>(fresh_until.size());
      state.needed_groups = facts.min_healthy_groups;
      state.missing = facts.missing;
      break;
    case Reason::kNothingStored:
    case Reason::kSourcesMissing:
      state.missing = facts.missing;
      break;
    case Reason::kSeedWornOut:
      state.bytes_since_seed = facts.bytes_since_seed;
      break;
    default:
      break;
  }
  return standing;
}

void Describe(const PoolStanding& standing, v1::Pool* pool) {
  pool->set_ready(standing.state.ready());
  pool->set_degraded(standing.state.degraded());
  pool->set_reason(standing.state.Text());
  pool->set_healthy_groups(standing.healthy_groups);
  pool->set_seed_generation(standing.state.seed_generation);
}

}  // namespace entropyd
