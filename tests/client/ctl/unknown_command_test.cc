#include "client/ctl/unknown_command.h"

#include <gtest/gtest.h>

namespace entropyd {
namespace {

const std::vector<std::string>& Commands() {
  static const auto* const commands = new std::vector<std::string>{"status", "get", "agents"};
  return *commands;
}

TEST(UnknownCommandTest, ANearCommandIsProposed) {
  EXPECT_EQ(UnknownCommand("entropyctl", Commands(), {"stauts"}, {}),
            absl::InvalidArgumentError("unknown command 'stauts'; did you mean 'status'?"));
  EXPECT_EQ(UnknownCommand("entropyctl", Commands(), {"agent", "-o", "json"}, {}),
            absl::InvalidArgumentError("unknown command 'agent'; did you mean 'agents'?"));
}

TEST(UnknownCommandTest, WithoutANearOneTheHelpOfThePlaceIsNamed) {
  EXPECT_EQ(UnknownCommand("entropyctl pki", {"init", "issue"}, {"zzzzzz"}, {}),
            absl::InvalidArgumentError("unknown command 'zzzzzz'; see entropyctl pki --help"));
}

TEST(UnknownCommandTest, ACommandOfAnotherPlaceIsNamedWithItsPlace) {
  const std::vector<std::string> all = {"entropyctl status", "entropyctl classes simulate",
                                        "entropyctl classes set", "entropyctl libvirt set"};
  EXPECT_EQ(UnknownCommand("entropyctl", Commands(), {"simulate", "x"}, all),
            absl::InvalidArgumentError(
                "unknown command 'simulate'; did you mean 'entropyctl classes simulate'?"));
  EXPECT_EQ(UnknownCommand("entropyctl pki", {"init"}, {"late"}, all),
            absl::InvalidArgumentError("unknown command 'late'; see entropyctl pki --help"));
}

TEST(UnknownCommandTest, OnlyTheFirstWordCanBeACommand) {
  EXPECT_TRUE(UnknownCommand("entropyctl", Commands(), {"--stauts"}, {}).ok());
  EXPECT_TRUE(UnknownCommand("entropyctl", Commands(), {"-x", "stauts"}, {}).ok());
}

TEST(UnknownCommandTest, NothingIsWrongWhereNoCommandStandsOrMayStand) {
  EXPECT_TRUE(UnknownCommand("entropyctl", Commands(), {}, {}).ok());
  EXPECT_TRUE(UnknownCommand("entropyctl get", {}, {"stauts"}, {}).ok());
}

}  // namespace
}  // namespace entropyd
