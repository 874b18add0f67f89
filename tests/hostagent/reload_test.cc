#include "hostagent/reload.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::Not;

class ReloadTest : public AgentRig {
 protected:
  absl::Status Check() { return CheckReload(ConfigPath(), Control(), &clock_).status(); }
};

TEST_F(ReloadTest, WhatCouldBeStartedCanBeReloaded) {
  EXPECT_TRUE(Check().ok()) << Check();
  WriteConfig("max_guests: 500\n");
  EXPECT_TRUE(Check().ok()) << Check();
}

TEST_F(ReloadTest, WithoutAFileThereIsNothingToRead) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckReload("", Control(), &clock_).status()));
}

TEST_F(ReloadTest, AnUnknownKeyIsToldWithItsPlaceAndMayBeOfANewerVersion) {
  WriteConfig("nonsense: 1\n");
  EXPECT_TRUE(absl::IsInvalidArgument(Check()));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("unknown key 'nonsense'"));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("entropyctl agent upgrade"));
}

TEST_F(ReloadTest, OtherMistakesHaveNothingToDoWithTheVersion) {
  WriteConfig("max_guests: many\n");
  EXPECT_THAT(std::string(Check().message()), HasSubstr("many"));
  EXPECT_THAT(std::string(Check().message()), Not(HasSubstr("version")));
  std::filesystem::remove(ConfigPath());
  EXPECT_FALSE(Check().ok());
  EXPECT_THAT(std::string(Check().message()), Not(HasSubstr("version")));
}

TEST_F(ReloadTest, ACertificateThatIsGoneIsAMistake) {
  std::filesystem::remove(dir_ / "ca/agent.key");
  EXPECT_THAT(std::string(Check().message()), HasSubstr("agent.key"));
  EXPECT_THAT(std::string(Check().message()), HasSubstr("agent.yaml:"));
}

TEST_F(ReloadTest, StateThatNoAgentCouldStartFromIsAMistake) {
  std::filesystem::create_directory(dir_ / "state");
  EXPECT_TRUE(Check().ok()) << "nothing is there yet: " << Check();
  std::ofstream(dir_ / "state/host_id") << "nonsense\n";
  EXPECT_THAT(std::string(Check().message()), HasSubstr("host_id: not 32 hexadecimal digits"));
  std::filesystem::remove(dir_ / "state/host_id");
  std::ofstream(dir_ / "state/guests.yaml") << "nonsense: 1\n";
  EXPECT_THAT(std::string(Check().message()), HasSubstr("guests.yaml:1:1: unknown key 'nonsense'"));
}

// Successors find the running agent by this path.
TEST_F(ReloadTest, TheControlSocketStaysWhereItIs) {
  const absl::Status status = CheckReload(ConfigPath(), dir_ / "elsewhere.sock", &clock_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the running agent has " + (dir_ / "elsewhere.sock")));
}

}  // namespace
}  // namespace entropyd
