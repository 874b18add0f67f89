#include "server/shares_config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

config::v1::Server Config(uint64_t in_flight, uint64_t per_identity) {
  config::v1::Server config;
  config.set_max_in_flight(in_flight);
  config.set_max_in_flight_per_identity(per_identity);
  config.set_max_streams_per_identity(16);
  config.set_max_gets_per_identity(128);
  config.set_max_messages_per_identity_per_second(500);
  return config;
}

TEST(SharesConfigTest, AnIdentityHasAQuarterOfWhatIsInFlightUnlessStatedOtherwise) {
  EXPECT_EQ(PlanShares(Config(64 << 20, 0)).in_flight, 16u << 20);
  EXPECT_EQ(PlanShares(Config(64 << 20, 1 << 20)).in_flight, 1u << 20);
}

TEST(SharesConfigTest, TheOtherSharesAreAsStated) {
  const IdentityShares::Limits limits = PlanShares(Config(64 << 20, 0));
  EXPECT_EQ(limits.streams, 16u);
  EXPECT_EQ(limits.gets, 128u);
  EXPECT_EQ(limits.messages_per_second, 500u);
}

TEST(SharesConfigTest, AShareThatIsMoreThanTheWholeIsRefused) {
  const config::Locations locations;
  EXPECT_TRUE(CheckShares(Config(1 << 20, 1 << 20), locations).ok());
  const absl::Status status = CheckShares(Config(1 << 20, (1 << 20) + 1), locations);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_in_flight_per_identity"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("max_in_flight (1048576)"));
}

}  // namespace
}  // namespace entropyd
