#include "hostagent/reload.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class ReloadTest : public AgentRig {
 protected:
  absl::Status Check() { return CheckReload(ConfigPath(), Control(), &clock_); }
};

TEST_F(ReloadTest, WhatCouldBeStartedCanBeReloaded) {
  EXPECT_TRUE(Check().ok()) << Check();
  WriteConfig("max_guests: 500\n");
  EXPECT_TRUE(Check().ok()) << Check();
}

TEST_F(ReloadTest, WithoutAFileThereIsNothingToRead) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckReload("", Control(), &clock_)));
}

TEST_F(ReloadTest, AMistakeIsToldWithItsPlaceAndTheVersionThatJudges) {
  WriteConfig("nonsense: 1\n");
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("unknown key 'nonsense'"));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("entropyctl agent upgrade"));
}

TEST_F(ReloadTest, ACertificateThatIsGoneIsAMistake) {
  std::filesystem::remove(dir_ / "ca/agent.key");
  EXPECT_THAT(std::string(Check().message()), HasSubstr("agent.key"));
}

// Successors find the running agent by this path.
TEST_F(ReloadTest, TheControlSocketStaysWhereItIs) {
  const absl::Status status = CheckReload(ConfigPath(), dir_ / "elsewhere.sock", &clock_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the running agent has " + (dir_ / "elsewhere.sock")));
}

}  // namespace
}  // namespace entropyd
