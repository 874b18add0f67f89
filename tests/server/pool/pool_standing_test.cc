#include "server/pool/pool_standing.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace entropyd {
namespace {

using Phase = PoolState::Phase;

constexpr int64_t kNow = 1'000;
constexpr int64_t kMaxAge = 100;

// Two groups of hardware, both healthy, both with a fresh seed.
PoolFacts Sound() {
  PoolFacts facts;
  facts.groups = {{.credited = true, .healthy = true, .seeded_at_nanos = kNow - 10},
                  {.credited = true, .healthy = true, .seeded_at_nanos = kNow - 20}};
  facts.max_seed_age_nanos = kMaxAge;
  facts.max_bytes_per_seed = 1'000'000;
  return facts;
}

struct Case {
  const char* what;
  std::function<void(PoolFacts*)> change;
  Phase phase;
  const char* text;
  int64_t ready_until;
};

void ExpectAll(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    PoolFacts facts = Sound();
    one.change(&facts);
    const PoolStanding standing = StandingOf(facts, kNow);
    EXPECT_EQ(standing.state.phase, one.phase) << one.what;
    EXPECT_EQ(standing.state.Text(), one.text) << one.what;
    EXPECT_EQ(standing.ready_until_nanos, one.ready_until) << one.what;
    EXPECT_EQ(standing.ready_until_nanos > kNow, standing.state.ready()) << one.what;
  }
}

TEST(PoolStandingTest, StandingFollowsFromTheGroups) {
  ExpectAll({
      {"all is well", [](PoolFacts*) {}, Phase::kServing, "", kNow + 90},
      {"two groups are asked for: the older seed decides",
       [](PoolFacts* f) { f->min_healthy_groups = 2; }, Phase::kServing, "", kNow + 80},
      {"a group is lost",
       [](PoolFacts* f) {
         f->groups[1].healthy = false;
         f->missing = {{"cpu", v1::SOURCE_STATE_GONE}};
       },
       Phase::kDegraded, "cpu is gone", kNow + 90},
      {"a group is lost whose seed is fresh and which is needed",
       [](PoolFacts* f) {
         f->min_healthy_groups = 2;
         f->groups[1].healthy = false;
         f->missing = {{"cpu", v1::SOURCE_STATE_GONE}};
       },
       Phase::kDegraded, "cpu is gone", kNow + 80},
      {"a source is lost and its group is not",
       [](PoolFacts* f) {
         f->missing = {{"cpu", v1::SOURCE_STATE_GONE}};
       },
       Phase::kServing, "", kNow + 90},
      {"there is software only", [](PoolFacts* f) { f->software_only = true; }, Phase::kDegraded,
       "software sources only", kNow + 90},
  });
}

TEST(PoolStandingTest, StandingFollowsFromTheSeeds) {
  ExpectAll({
      {"a seed is as old as it may be",
       [](PoolFacts* f) {
         f->min_healthy_groups = 2;
         f->groups[1].seeded_at_nanos = kNow - kMaxAge;
       },
       Phase::kSuspended, "1 of 2 groups gave a fresh seed", 0},
      {"a seed is one nanosecond younger",
       [](PoolFacts* f) {
         f->min_healthy_groups = 2;
         f->groups[1].seeded_at_nanos = kNow - kMaxAge + 1;
       },
       Phase::kServing, "", kNow + 1},
      {"no seed has come yet",
       [](PoolFacts* f) {
         for (auto& group : f->groups) group = {.credited = true};
         f->missing = {{"trng0", v1::SOURCE_STATE_STARTING}};
       },
       Phase::kStarting, "0 of 1 groups gave a fresh seed: trng0 is starting", 0},
      {"groups without credit do not count",
       [](PoolFacts* f) {
         f->min_healthy_groups = 2;
         f->groups[1].credited = false;
       },
       Phase::kSuspended, "1 of 2 groups gave a fresh seed", 0},
      {"as much was given out as a seed bears",
       [](PoolFacts* f) { f->bytes_since_seed = 1'000'000; }, Phase::kSuspended,
       "no seed since 1000000 bytes", 0},
      {"one byte less was given out", [](PoolFacts* f) { f->bytes_since_seed = 999'999; },
       Phase::kServing, "", kNow + 90},
  });
}

TEST(PoolStandingTest, StandingFollowsFromTheStoreAndFromAFailure) {
  ExpectAll({
      {"the store is empty and a group is healthy", [](PoolFacts* f) { f->stores = true; },
       Phase::kServing, "", kNow + 90},
      {"the store is empty and nobody could fill it",
       [](PoolFacts* f) {
         f->stores = true;
         for (auto& group : f->groups) group.healthy = false;
         f->missing = {{"trng0", v1::SOURCE_STATE_GONE}};
       },
       Phase::kSuspended, "no bytes stored: trng0 is gone", 0},
      {"the store has a byte left",
       [](PoolFacts* f) {
         f->stores = true;
         f->stored_bytes = 1;
         for (auto& group : f->groups) group.healthy = false;
         f->missing = {{"trng0", v1::SOURCE_STATE_GONE}};
       },
       Phase::kDegraded, "trng0 is gone", kNow + 90},
      {"a component failed, whatever else holds",
       [](PoolFacts* f) {
         f->failure = "hash: wrong answer";
         f->min_healthy_groups = 3;
       },
       Phase::kFailed, "failed: hash: wrong answer", 0},
  });
}

TEST(PoolStandingTest, SeedAndEpochAreTakenOver) {
  PoolFacts facts = Sound();
  facts.seed_generation = 7;
  facts.discard_epoch = 3;
  facts.groups.push_back({.seeded_at_nanos = kNow - 1});
  const PoolStanding standing = StandingOf(facts, kNow);
  EXPECT_EQ(standing.state.seed_generation, 7u);
  EXPECT_EQ(standing.state.discard_epoch, 3u);
  EXPECT_EQ(standing.state.seeded_at_nanos, kNow - 1);
  EXPECT_EQ(standing.healthy_groups, 2u);
}

}  // namespace
}  // namespace entropyd
