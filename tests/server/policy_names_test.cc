#include "server/policy_names.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

std::string IdentityFault(const std::string& identity) {
  const std::string text =
      absl::StrCat("tls: {cert: c, key: k, client_ca: a}\nsources: [{name: a, driver: rdrand}]\n",
                   "pools: [{name: p, sources: [a], classes: [{name: root, rate: 1MiB/s}]}]\n",
                   "policy: [{identity: \"", identity, "\", role: agent, allow: [p/root]}]\n");
  config::v1::Server config;
  config::Locations locations;
  const absl::Status parsed = config::Parse(text, "server.yaml", &config, &locations);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return std::string(CheckPolicyNames(config, locations).message());
}

TEST(PolicyNamesTest, WhatACertificateMayBeCalledIsTaken) {
  for (const char* name : {"spiffe://dc1/agent/*", "spiffe://dc-1.example/a_b/h7", "dns:*.example",
                           "dns:h7.example", "cn:Entropy reader 7", "cn:*"}) {
    EXPECT_EQ(IdentityFault(name), "") << name;
  }
}

TEST(PolicyNamesTest, WhatNoCertificateIsCalledIsRefusedWithItsPlace) {
  EXPECT_EQ(IdentityFault("spiffe://dc1/agent/host 7"),
            "server.yaml:4:21: policy[0].identity: 'spiffe://dc1/agent/host 7' would match nobody: "
            "behind spiffe:// names of certificates have letters, digits, '-', '_', '.' and '/', "
            "and not ' '; correct it");
  for (const char* name : {"spiffe://dc1/größe", "spiffe://dc1/a?", "dns:a b", "dns:a/b", "cn:a:b",
                           "cn:a/b", "cn:größe"}) {
    EXPECT_THAT(IdentityFault(name), HasSubstr("would match nobody: behind ")) << name;
  }
  EXPECT_THAT(IdentityFault("cn:" + std::string(254, 'x')), HasSubstr("at most 256 bytes"));
  EXPECT_EQ(IdentityFault("cn:" + std::string(253, 'x')), "");
}

}  // namespace
}  // namespace entropyd
