#include "server/await_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace entropyd {
namespace {

using ::testing::ElementsAre;

class AwaitPlanTest : public ::testing::Test {
 protected:
  // The looks find what the words say; "" = a plan.
  absl::StatusOr<ServerPlan> Await(std::vector<std::string> finds, int end_after = 1000) {
    size_t next = 1;
    return AwaitPlan(
        absl::NotFoundError(finds[0]),
        [&]() -> absl::StatusOr<ServerPlan> {
          const std::string& found = finds[std::min(next++, finds.size() - 1)];
          if (found.empty()) return ServerPlan{};
          return absl::NotFoundError(found);
        },
        [&] { return ++rests_ <= end_after; },
        [&](const absl::Status& fault) { told_.push_back(std::string(fault.message())); });
  }

  int rests_ = 0;
  std::vector<std::string> told_;
};

TEST_F(AwaitPlanTest, TheFaultIsToldAtOnceAndEachNewOne) {
  EXPECT_TRUE(Await({"no file", "no file", "half a file", "half a file", "no key", ""}).ok());
  EXPECT_THAT(told_, ElementsAre("no file", "half a file", "no key"));
  EXPECT_EQ(rests_, 5) << "one before each look";
}

TEST_F(AwaitPlanTest, AFaultThatStaysIsToldAgainNowAndThen) {
  const absl::Status status = Await({"no file"}, 2 * kLooksUntilToldAgain).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(told_, ElementsAre("no file", "no file", "no file"));
}

TEST_F(AwaitPlanTest, WhoIsToldToEndEnds) {
  EXPECT_EQ(Await({"no file"}, 0).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(rests_, 1);
  EXPECT_THAT(told_, ElementsAre("no file"));
}

}  // namespace
}  // namespace entropyd
