#include "hostagent/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/telemetry/metrics.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class ReadinessTest : public ::testing::Test {
 protected:
  // A listener names the first class; only metadata of guests names the second.
  absl::Status Ready(bool was_attached = true) const {
    return Readiness(metrics_, 1, was_attached);
  }
  std::string Why() const { return std::string(Ready().message()); }
  void SetMode(const std::string& class_name, LocalFallback::Mode mode) {
    auto& modes = metrics_.of_class(class_name)->modes;
    for (size_t i = 0; i < modes.size(); ++i) modes[i].Set(i == static_cast<size_t>(mode) ? 1 : 0);
  }

  Metrics registry_;
  AgentMetrics metrics_{&registry_, {"default/gold", "default/bulk"}};
};

TEST_F(ReadinessTest, BeforeTheFirstServerOnlyABufferMakesItReady) {
  EXPECT_EQ(Ready(false).code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(Ready(false).message()), HasSubstr("not yet attached"));
  metrics_.of_class("default/bulk")->buffer_level.Set(1);
  EXPECT_TRUE(Ready(false).ok());
  EXPECT_TRUE(Ready(true).ok());
}

TEST_F(ReadinessTest, AListenerThatIsNotOpenMakesItUnready) {
  metrics_.waiting_listeners.Set(1);
  EXPECT_THAT(Why(), HasSubstr("a listener is not open"));
  metrics_.waiting_listeners.Set(0);
  EXPECT_TRUE(Ready().ok());
}

TEST_F(ReadinessTest, GuestsThatWaitForAServerThatIsGoneMakeItUnready) {
  metrics_.of_class("default/bulk")
      ->buffer_level.Set(1);  // of another class: it helps them nothing
  SetMode("default/gold", LocalFallback::Mode::kBlocked);
  EXPECT_EQ(Ready().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Why(), HasSubstr("guests of class default/gold wait, and the server is gone"));
  SetMode("default/bulk", LocalFallback::Mode::kBlocked);
  EXPECT_THAT(Why(), HasSubstr("classes default/gold, default/bulk"));
}

TEST_F(ReadinessTest, WhoeverIsServedIsReadyWhoeverServes) {
  for (const auto mode : {LocalFallback::Mode::kUpstream, LocalFallback::Mode::kLocal}) {
    SetMode("default/gold", mode);
    EXPECT_TRUE(Ready().ok()) << ClassModeName(mode);
  }
}

TEST_F(ReadinessTest, ARefusedClassCountsWhereSomebodyNeedsIt) {
  metrics_.of_class("default/bulk")->refused.Set(1);
  EXPECT_TRUE(Ready().ok()) << "only metadata names it, and no guest is there";
  metrics_.of_class("default/bulk")->guests.Set(1);
  EXPECT_THAT(Why(), HasSubstr("the server refuses class default/bulk,"));
  metrics_.of_class("default/gold")->refused.Set(1);
  EXPECT_THAT(Why(), HasSubstr("the server refuses classes default/gold, default/bulk,"));
}

}  // namespace
}  // namespace entropyd
