#include "base/wire/grpc_resolver.h"

#include <stdlib.h>

#include <string>

#include "base/wire/grpc_credentials.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

constexpr char kVariable[] = "GRPC_DNS_RESOLVER";

class GrpcResolverTest : public testing::Test {
 protected:
  void TearDown() override { setenv(kVariable, before_.c_str(), 1); }
  const std::string before_ = getenv(kVariable) == nullptr ? "" : getenv(kVariable);
};

TEST_F(GrpcResolverTest, AProgramWithCredentialsHasThePlatformsBeforeItsMain) {
  EXPECT_NE(tls::ChannelCredentials({}), nullptr);  // links them
  EXPECT_NE(before_, "") << "nobody has set it";
}

TEST_F(GrpcResolverTest, WhatTheUserHasSetStays) {
  setenv(kVariable, "ares", 1);
  EXPECT_TRUE(UsePlatformResolver());
  EXPECT_STREQ(getenv(kVariable), "ares");
  unsetenv(kVariable);
  EXPECT_TRUE(UsePlatformResolver());
  EXPECT_STREQ(getenv(kVariable), "native");
}

}  // namespace
}  // namespace entropyd
