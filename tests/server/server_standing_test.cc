#include "server/server_standing.h"

#include <string>
#include <vector>

#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

v1::Pool PoolThatLacks(const std::string& name, const std::string& reason) {
  v1::Pool pool;
  pool.set_name(name);
  pool.set_ready(reason.empty());
  pool.set_reason(reason);
  return pool;
}

class ServerStandingTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  int64_t last_step_nanos_ = clock_.NowNanos();
  Protocols::Standing protocols_ = Protocols::Standing::kServing;
  absl::Time certificate_end_ = clock_.WallTime() + absl::Hours(1);
  std::vector<v1::Pool> pools_ = {PoolThatLacks("main", "")};
  std::string problem_;
  absl::Status answer_;
  int knocks_ = 0;
  ServerStanding standing_{{.last_step_nanos = [this] { return last_step_nanos_; },
                            .protocols = [this] { return protocols_; },
                            .certificate_end = [this] { return certificate_end_; },
                            .pools = [this] { return pools_; },
                            .reload_problem = [this] { return problem_; },
                            .knock =
                                [this] {
                                  ++knocks_;
                                  return answer_;
                                }},
                           &clock_};
};

TEST_F(ServerStandingTest, ItIsAliveUntilItsDispatcherHasNotRunForTenSeconds) {
  clock_.AdvanceNanos(ServerStanding::kStalledNanos - 1);
  EXPECT_TRUE(standing_.Alive().ok()) << standing_.Alive();
  clock_.AdvanceNanos(1);
  EXPECT_TRUE(absl::IsInternal(standing_.Alive()));
  EXPECT_EQ(standing_.Alive().message(), "the dispatcher has not run for 10 s");
  last_step_nanos_ = clock_.NowNanos();
  EXPECT_TRUE(standing_.Alive().ok()) << standing_.Alive();
}

TEST_F(ServerStandingTest, ItIsHealthyWhenSomebodyAnswersAtTheDoor) {
  EXPECT_TRUE(standing_.Healthy().ok()) << standing_.Healthy();
  answer_ = absl::UnavailableError("nobody answers");
  EXPECT_EQ(standing_.Healthy(), answer_);
}

TEST_F(ServerStandingTest, WhatIsNotAliveIsNotHealthyAndNobodyKnocks) {
  clock_.AdvanceNanos(ServerStanding::kStalledNanos);
  EXPECT_EQ(standing_.Healthy(), standing_.Alive());
  EXPECT_EQ(knocks_, 0);
}

TEST_F(ServerStandingTest, ItIsReadyWhileOnePoolServes) {
  pools_ = {PoolThatLacks("a", "no seed"), PoolThatLacks("b", "")};
  EXPECT_TRUE(standing_.Ready().ok()) << standing_.Ready();
  pools_[1] = PoolThatLacks("b", "worn out");
  EXPECT_TRUE(absl::IsUnavailable(standing_.Ready()));
  EXPECT_EQ(standing_.Ready().message(), "no pool is ready: a: no seed; b: worn out");
}

TEST_F(ServerStandingTest, ItIsNotReadyWhileItDrainsOrStops) {
  protocols_ = Protocols::Standing::kDraining;
  EXPECT_THAT(std::string(standing_.Ready().message()), HasSubstr("drain --end"));
  protocols_ = Protocols::Standing::kStopping;
  EXPECT_EQ(standing_.Ready().message(), "the server stops");
}

TEST_F(ServerStandingTest, ItIsReadyUntilItsCertificateEnds) {
  clock_.AdvanceNanos(kHourNanos - 1);
  EXPECT_TRUE(standing_.Ready().ok()) << standing_.Ready();
  clock_.AdvanceNanos(1);
  EXPECT_TRUE(absl::IsUnavailable(standing_.Ready()));
  EXPECT_THAT(std::string(standing_.Ready().message()),
              HasSubstr("the server's certificate expired at "));
}

TEST_F(ServerStandingTest, WhatIsAliveAndNotReadyIsHealthy) {
  protocols_ = Protocols::Standing::kDraining;
  pools_.clear();
  certificate_end_ = absl::InfinitePast();
  EXPECT_TRUE(standing_.Healthy().ok()) << standing_.Healthy();
}

TEST_F(ServerStandingTest, TheSummaryCountsPoolsAndSaysWhatTheyLack) {
  EXPECT_EQ(standing_.Summary(), "1 of 1 pools is ready");
  pools_ = {PoolThatLacks("a", "no seed"), PoolThatLacks("b", ""), PoolThatLacks("c", "")};
  EXPECT_EQ(standing_.Summary(), "2 of 3 pools are ready; a: no seed");
}

TEST_F(ServerStandingTest, TheSummarySaysWhatTheServerAsAWholeDoesAndWhichFileIsBad) {
  protocols_ = Protocols::Standing::kDraining;
  problem_ = "server.yaml:3:1: no such key";
  EXPECT_EQ(standing_.Summary(),
            "drains, until entropyctl drain --end; 1 of 1 pools is ready; not in use, as a file is "
            "bad: server.yaml:3:1: no such key");
  protocols_ = Protocols::Standing::kStopping;
  problem_.clear();
  EXPECT_EQ(standing_.Summary(), "stops; 1 of 1 pools is ready");
}

TEST_F(ServerStandingTest, TheSummaryOfWhatHangsSaysNothingElse) {
  clock_.AdvanceNanos(ServerStanding::kStalledNanos);
  EXPECT_EQ(standing_.Summary(), "the dispatcher has not run for 10 s");
}

}  // namespace
}  // namespace entropyd
