#include "server/pool/pool_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/fakes.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PoolLogTest : public ::testing::Test {
 protected:
  void Change(const PoolState& before, const PoolState& after) {
    log_.Clear();
    LogPoolChange("default", before, after, &log_);
  }

  ManualClock clock_;
  FakeLog log_{&clock_};
  const PoolState serving_ = {.phase = PoolState::Phase::kServing};
  const PoolState degraded_ = {.phase = PoolState::Phase::kDegraded,
                               .reason = PoolState::Reason::kSoftwareOnly};
  const PoolState suspended_ = {.phase = PoolState::Phase::kSuspended,
                                .reason = PoolState::Reason::kSeedWornOut,
                                .bytes_since_seed = 7};
};

TEST_F(PoolLogTest, EveryChangeThatOperatorsShouldKnowHasItsLine) {
  Change(serving_, suspended_);
  EXPECT_THAT(log_.lines(),
              ElementsAre("error pool.suspended pool=default reason=no seed since 7 bytes"));
  Change(suspended_, degraded_);
  EXPECT_THAT(
      log_.lines(),
      ElementsAre("info pool.ready pool=default degraded=true reason=software sources only"));
  Change(serving_, degraded_);
  EXPECT_THAT(log_.lines(),
              ElementsAre("warning pool.degraded pool=default reason=software sources only"));
  Change(degraded_, serving_);
  EXPECT_THAT(log_.lines(), ElementsAre("info pool.restored pool=default"));
}

TEST_F(PoolLogTest, BytesThatAreVoidAreToldBeforeThePoolIs) {
  PoolState after = suspended_;
  after.discard_epoch = 1;
  Change(serving_, after);
  EXPECT_THAT(
      log_.lines(),
      ElementsAre("error pool.discarded pool=default epoch=1 reason=all sources of its bytes "
                  "have failed",
                  "error pool.suspended pool=default reason=no seed since 7 bytes"));
}

TEST_F(PoolLogTest, ANewSeedOrAnotherReasonIsNoLine) {
  PoolState after = degraded_;
  after.seed_generation = 2;
  after.reason = PoolState::Reason::kSourcesMissing;
  Change(degraded_, after);
  EXPECT_THAT(log_.lines(), IsEmpty());
}

}  // namespace
}  // namespace entropyd
