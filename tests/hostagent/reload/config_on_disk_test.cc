#include "hostagent/reload/config_on_disk.h"

#include <filesystem>
#include <string>

#include "absl/types/optional.h"
#include "base/config/config.h"
#include "gtest/gtest.h"
#include "tests/hostagent/agent_rig.h"

namespace entropyd {
namespace {

class ConfigOnDiskTest : public AgentRig {
 protected:
  void SetUp() override {
    AgentRig::SetUp();
    config::v1::HostAgent config;
    config::Locations locations;
    ASSERT_TRUE(config::Load(ConfigPath(), &config, &locations).ok());
    on_disk_.emplace(config);
  }
  void Fail() { on_disk_->ReloadFailed(ConfigPath(), absl::AbortedError("no server")); }
  std::string Problem() {
    on_disk_->Look();
    return std::string(on_disk_->problem().message());
  }

  absl::optional<ConfigOnDisk> on_disk_;
};

TEST_F(ConfigOnDiskTest, WhatIsInUseIsNoProblemHoweverTheReloadEnded) {
  EXPECT_EQ(Problem(), "");
  Fail();
  EXPECT_EQ(Problem(), "");
  WriteConfig("# a comment changes nothing\n");
  Fail();
  EXPECT_EQ(Problem(), "");
}

TEST_F(ConfigOnDiskTest, AProblemStaysUntilTheFileIsAsBefore) {
  WriteConfig("max_guests: 500\n");
  EXPECT_EQ(Problem(), "") << "nobody has asked for a reload yet";
  Fail();
  EXPECT_EQ(Problem(), "no server");
  WriteConfig("max_guests: 5000\n");
  EXPECT_EQ(Problem(), "no server");
  WriteConfig();
  EXPECT_EQ(Problem(), "");
  WriteConfig("max_guests: 500\n");
  EXPECT_EQ(Problem(), "") << "a change is no failed reload";
}

TEST_F(ConfigOnDiskTest, AFileThatCannotBeReadIsNotInUse) {
  std::filesystem::remove(ConfigPath());
  Fail();
  EXPECT_EQ(Problem(), "no server");
  WriteConfig();
  EXPECT_EQ(Problem(), "");
}

}  // namespace
}  // namespace entropyd
