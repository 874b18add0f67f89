#include "server/door_config.h"

#include <utility>

#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fakes.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

class DoorConfigTest : public ::testing::Test {
 protected:
  DoorConfigTest() {
    config_.set_listen("127.0.0.1:0");
    config_.set_max_agents(10'000);
    config_.set_max_handshakes(1024);
    config_.set_max_handshakes_per_address(256);
    config_.set_max_streams_per_identity(16);
    config_.set_max_gets_per_identity(128);
    config_.add_sources();
  }
  ConnectionTable::Limits Limits(uint64_t descriptors) {
    const absl::StatusOr<Door::Options> options = PlanDoor(config_, descriptors, &log_);
    EXPECT_TRUE(options.ok()) << options.status();
    return options->limits;
  }

  ManualClock clock_;
  FakeLog log_{&clock_};
  config::v1::Server config_;
};

TEST_F(DoorConfigTest, EveryAgentHasAConnectionAndOthersHaveSomeToo) {
  const ConnectionTable::Limits limits = Limits(1 << 20);
  EXPECT_EQ(limits.connections, 12'024u);
  EXPECT_EQ(limits.strangers, 1024u);
  EXPECT_EQ(limits.per_address, 256u);
  EXPECT_TRUE(log_.events().empty());
  config_.set_max_connections(11'000);
  EXPECT_EQ(Limits(1 << 20).connections, 11'000u);
}

TEST_F(DoorConfigTest, AnIdentityMayHaveTwoConnectionsForEachStreamAndOneForEachGet) {
  EXPECT_EQ(Limits(1 << 20).per_identity, 128u);
  config_.set_max_streams_per_identity(1000);
  EXPECT_EQ(Limits(1 << 20).per_identity, 2000u);
  config_.set_max_connections_per_identity(1500);
  EXPECT_EQ(Limits(1 << 20).per_identity, 1500u);
}

TEST_F(DoorConfigTest, TheShareOfAnIdentityFitsBetweenItsStreamsAndTheWhole) {
  const config::Locations locations;
  config_.set_max_connections(11'000);
  for (const auto& [share, key] : {std::pair{15u, "below max_streams_per_identity (16)"},
                                   std::pair{11'001u, "more than max_connections (11000)"}}) {
    config_.set_max_connections_per_identity(share);
    const absl::Status status = CheckDoor(config_, locations);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << share;
    EXPECT_THAT(status.message(), HasSubstr("max_connections_per_identity"));
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
  for (const uint32_t share : {16u, 11'000u}) {
    config_.set_max_connections_per_identity(share);
    EXPECT_TRUE(CheckDoor(config_, locations).ok()) << share;
  }
}

TEST_F(DoorConfigTest, WithFewerDescriptorsThereAreFewerConnectionsAndTheLogSaysSo) {
  const ConnectionTable::Limits limits = Limits(200);
  EXPECT_EQ(limits.connections, 100u);
  EXPECT_EQ(limits.strangers, 50u) << "strangers take half of them at most";
  EXPECT_EQ(limits.per_address, 50u);
  EXPECT_EQ(limits.per_identity, 50u) << "and so does an identity";
  EXPECT_EQ(log_.events(), (std::vector<std::string>{"server.few_descriptors"}));
}

TEST_F(DoorConfigTest, WithTooFewDescriptorsItDoesNotStart) {
  EXPECT_TRUE(PlanDoor(config_, 116, &log_).ok());
  const absl::Status status = PlanDoor(config_, 115, &log_).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(status.message(), HasSubstr("LimitNOFILE="));
}

TEST_F(DoorConfigTest, EachConnectionHasItsPlaceInTheSecureHeap) {
  const config::Locations locations;
  config_.set_max_agents(100'000);
  EXPECT_TRUE(CheckDoor(config_, locations).ok()) << "as many as may be configured";
  config_.set_max_connections(114'688);
  EXPECT_TRUE(CheckDoor(config_, locations).ok());
  config_.set_max_connections(114'689);
  EXPECT_THAT(CheckDoor(config_, locations).message(), HasSubstr("above 114688"));
}

TEST_F(DoorConfigTest, WhatCannotServeItsAgentsIsRefused) {
  const config::Locations locations;
  EXPECT_TRUE(CheckDoor(config_, locations).ok());
  config_.set_max_connections(9'999);
  EXPECT_THAT(CheckDoor(config_, locations).message(), HasSubstr("below max_agents (10000)"));
  config_.set_max_connections(10'000);
  EXPECT_TRUE(CheckDoor(config_, locations).ok());
  for (const char* address : {"7743", "127.0.0.1", ":7743", "::1:7743"}) {
    config_.set_listen(address);
    EXPECT_THAT(CheckDoor(config_, locations).message(), HasSubstr("write HOST:PORT")) << address;
  }
}

}  // namespace
}  // namespace entropyd
