#include "server/server_plan.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPolicy[] = "policy: [{identity: \"spiffe://t/*\", role: agent, allow: [p/root]}]\n";

// A server.yaml whose faults come before its certificates, which are not there.
std::string ErrorOf(const std::string& line, const std::string& policy = kPolicy,
                    const std::string& listen = "listen: 127.0.0.1:0\n",
                    ServerPlan::Supplied supplied = ServerPlan::Supplied::kFromNothing) {
  const std::string text =
      absl::StrCat(line, "\n", listen,
                   "tls: {cert: /none.crt, key: /none.key, client_ca: /none-ca.crt}\n"
                   "allow_software: true\n"
                   "sources: [{name: kernel, driver: getrandom}]\n"
                   "pools: [{name: p, sources: [kernel], classes: [{name: root, rate: 1MiB/s}]}]\n",
                   policy);
  config::v1::Server config;
  config::Locations locations;
  const absl::Status parsed = config::Parse(text, "server.yaml", &config, &locations);
  EXPECT_TRUE(parsed.ok()) << parsed;
  const ManualClock clock;
  const absl::Status status =
      ServerPlan::Check(std::move(config), std::move(locations), clock, supplied).status();
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

TEST(ServerPlanTest, AnAddressOfMetricsWithoutAPortIsRefusedBeforeTheStart) {
  EXPECT_EQ(ErrorOf("metrics: foo"),
            "server.yaml:1:10: metrics: 'foo' is no address; write HOST:PORT or [IPV6]:PORT");
  EXPECT_THAT(ErrorOf("metrics: 127.0.0.1:9743"), HasSubstr("/none.crt"));
  EXPECT_THAT(ErrorOf("metrics: \"\""), HasSubstr("/none.crt")) << "off";
}

TEST(ServerPlanTest, AStateDirThatCannotBeOneIsRefusedBeforeTheStart) {
  EXPECT_EQ(ErrorOf("state_dir: state"),
            "server.yaml:1:12: state_dir: 'state' is not an absolute path");
  EXPECT_THAT(ErrorOf("state_dir: /proc/version"),
              StartsWith("server.yaml:1:12: state_dir: '/proc/version' is a file"));
  EXPECT_THAT(ErrorOf("state_dir: /proc/version/state"),
              StartsWith("server.yaml:1:12: state_dir: '/proc/version/state' is a file"));
  EXPECT_THAT(ErrorOf("state_dir: /nonexistent/state"), HasSubstr("/none.crt")) << "made later";
}

TEST(ServerPlanTest, AnAuditLogThatCannotBeMadeIsRefusedBeforeTheStart) {
  EXPECT_EQ(ErrorOf("audit_log: audit.log"),
            "server.yaml:1:12: audit_log: 'audit.log' is not an absolute path");
  EXPECT_EQ(ErrorOf("audit_log: /nonexistent/audit.log"),
            "server.yaml:1:12: audit_log: '/nonexistent' is no directory; make it first");
  EXPECT_THAT(ErrorOf("audit_log: /tmp/audit.log"), HasSubstr("/none.crt"));
  EXPECT_THAT(ErrorOf("audit_log: /proc/self/audit.log"),
              StartsWith("server.yaml:1:12: audit_log: '/proc/self/audit.log' cannot be kept in "));
}

TEST(ServerPlanTest, WhatThisMachineCannotListenOnIsSaidBeforeTheStart) {
  EXPECT_THAT(ErrorOf("metrics: no-such-host.invalid:9743"),
              StartsWith("server.yaml:1:10: metrics: listen on no-such-host.invalid:9743: "));
  EXPECT_THAT(ErrorOf("listen: 192.0.2.1:7743", kPolicy, ""),
              StartsWith("server.yaml:1:9: listen: listen on 192.0.2.1:7743: bind: "));
  EXPECT_EQ(ErrorOf("metrics: 127.0.0.1:7743\nlisten: 0.0.0.0:7743", kPolicy, ""),
            "server.yaml:1:10: metrics: '127.0.0.1:7743' is taken by listen (0.0.0.0:7743); choose "
            "another port");
}

TEST(ServerPlanTest, AReloadDoesNotAskForAddressesThatOnlyARestartOpens) {
  EXPECT_THAT(ErrorOf("metrics: no-such-host.invalid:9743", kPolicy, "listen: 127.0.0.1:0\n",
                      ServerPlan::Supplied::kRunning),
              HasSubstr("/none.crt"));
}

TEST(ServerPlanTest, AFileThatEndsBeforeItsPolicyIsRefused) {
  EXPECT_THAT(ErrorOf("", ""), StartsWith("server.yaml:1:1: policy: there is no rule"));
  EXPECT_THAT(ErrorOf("", "policy: []\n"), HasSubstr("policy: there is no rule"));
  EXPECT_THAT(ErrorOf("", "policy: [{identity: \"spiffe://t/*\", role: operator}]\n"),
              HasSubstr("policy: no rule lets anybody draw"));
}

}  // namespace
}  // namespace entropyd
