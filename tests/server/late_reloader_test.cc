// What holds before there is a reloader. The rest is in tests/server/reloader_test.cc.
#include "server/late_reloader.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(LateReloaderTest, WhoAsksTooEarlyIsToldSoAtOnce) {
  LateReloader reloads;
  absl::Status told;
  reloads.Ask(Reloader::kOperator,
              [&told](const Reloader::Outcome& outcome) { told = outcome.status(); });
  EXPECT_TRUE(absl::IsUnavailable(told)) << told;
  EXPECT_FALSE(reloads.awaited()) << "nobody waits";
}

TEST(LateReloaderTest, WithoutAReloaderThereIsNoProblemAndNothingToDo) {
  LateReloader reloads;
  reloads.Tick();
  EXPECT_EQ(reloads.problem(), "");
  EXPECT_THAT(reloads.needs_restart(), ::testing::IsEmpty());
  reloads.Stop();
}

}  // namespace
}  // namespace entropyd
