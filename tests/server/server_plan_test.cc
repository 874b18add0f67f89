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

// A server.yaml whose faults come before its certificates, which are not there.
std::string ErrorOf(const std::string& line,
                    const std::string& policy =
                        "policy: [{identity: \"spiffe://t/*\", role: agent, allow: [p/root]}]\n") {
  const std::string text =
      absl::StrCat(line,
                   "\n"
                   "listen: 127.0.0.1:0\n"
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
      ServerPlan::Check(std::move(config), std::move(locations), clock).status();
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
}

TEST(ServerPlanTest, AFileThatEndsBeforeItsPolicyIsRefused) {
  EXPECT_THAT(ErrorOf("", ""), StartsWith("server.yaml:1:1: policy: there is no rule"));
  EXPECT_THAT(ErrorOf("", "policy: []\n"), HasSubstr("policy: there is no rule"));
  EXPECT_THAT(ErrorOf("", "policy: [{identity: \"spiffe://t/*\", role: operator}]\n"),
              HasSubstr("policy: no rule lets anybody draw"));
}

}  // namespace
}  // namespace entropyd
