#include "server/pool/pool_state.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

using Phase = PoolState::Phase;
using Reason = PoolState::Reason;

TEST(PoolStateTest, EveryReasonHasItsSentence) {
  const struct {
    PoolState state;
    const char* text;
  } kCases[] = {
      {{.phase = Phase::kServing}, ""},
      {{.reason = Reason::kNoFreshSeed, .needed_groups = 1}, "0 of 1 groups gave a fresh seed"},
      {{.reason = Reason::kNoFreshSeed,
        .fresh_groups = 1,
        .needed_groups = 3,
        .missing = {{"trng0", v1::SOURCE_STATE_GONE}, {"cpu", v1::SOURCE_STATE_STARTING}}},
       "1 of 3 groups gave a fresh seed: trng0 is gone, cpu is starting"},
      {{.reason = Reason::kSeedWornOut, .bytes_since_seed = 10'000}, "no seed since 10000 bytes"},
      {{.reason = Reason::kNothingStored, .missing = {{"trng0", v1::SOURCE_STATE_LATCHED}}},
       "no bytes stored: trng0 is latched"},
      {{.reason = Reason::kSourcesMissing, .missing = {{"trng0", v1::SOURCE_STATE_QUARANTINED}}},
       "trng0 is quarantined"},
      {{.reason = Reason::kSoftwareOnly}, "software sources only"},
      {{.reason = Reason::kComponentFailed, .failure = "hash: wrong answer"},
       "failed: hash: wrong answer"},
  };
  for (const auto& one : kCases) EXPECT_EQ(one.state.Text(), one.text);
}

TEST(PoolStateTest, OnlyAServingPoolIsReadyAndOnlyADegradedOneDegraded) {
  const struct {
    Phase phase;
    bool ready, degraded;
  } kCases[] = {{Phase::kStarting, false, false},
                {Phase::kServing, true, false},
                {Phase::kDegraded, true, true},
                {Phase::kSuspended, false, false},
                {Phase::kFailed, false, false}};
  for (const auto& one : kCases) {
    const PoolState state{.phase = one.phase};
    EXPECT_EQ(state.ready(), one.ready);
    EXPECT_EQ(state.degraded(), one.degraded);
  }
}

TEST(PoolStateTest, StatesLookAlikeWhenOnlyTheirSeedsDiffer) {
  const PoolState state{.phase = Phase::kDegraded,
                        .reason = Reason::kSourcesMissing,
                        .missing = {{"trng0", v1::SOURCE_STATE_GONE}}};
  PoolState other = state;
  other.seed_generation = 9;
  other.seeded_at_nanos = 5;
  EXPECT_TRUE(state.LooksLike(other));
  other.missing[0].state = v1::SOURCE_STATE_LATCHED;
  EXPECT_FALSE(state.LooksLike(other));
  other = state;
  other.phase = Phase::kServing;
  EXPECT_FALSE(state.LooksLike(other));
  other = state;
  other.reason = Reason::kSoftwareOnly;
  EXPECT_FALSE(state.LooksLike(other));
}

}  // namespace
}  // namespace entropyd
