#include "server/access/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

using config::v1::ROLE_AGENT;
using config::v1::ROLE_OPERATOR;
using config::v1::ROLE_READER;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server with the leaves default/gold, default/bulk and vault/only; the policy's first rule
// stands in line 9.
absl::Status Load(const std::vector<std::string>& rules, config::v1::Server* config,
                  config::Locations* locations) {
  std::string text =
      "tls: {cert: c, key: k, client_ca: a}\n"
      "sources: [{name: trng0, driver: char_device, path: /dev/hwrng}]\n"
      "pools:\n"
      "  - name: default\n"
      "    sources: [trng0]\n"
      "    classes: [{name: root}, {name: gold, parent: root, rate: 1MiB/s}, {name: bulk, parent: "
      "root, rate: 1KiB/s}]\n"
      "  - {name: vault, sources: [trng0], classes: [{name: only, rate: 1KiB/s}]}\n";
  if (!rules.empty()) absl::StrAppend(&text, "policy:\n");
  for (const std::string& rule : rules) absl::StrAppend(&text, "  - ", rule, "\n");
  return config::Parse(text, "server.yaml", config, locations);
}

absl::StatusOr<Policy> Make(const std::vector<std::string>& rules) {
  config::v1::Server config;
  config::Locations locations;
  const absl::Status status = Load(rules, &config, &locations);
  if (!status.ok()) return absl::InternalError(status.ToString());
  return Policy::Create(config, locations);
}

std::string Complaint(const std::vector<std::string>& rules) {
  const auto policy = Make(rules);
  if (policy.ok()) return "";
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << policy.status();
  return std::string(policy.status().message());
}

constexpr char kHost[] = "spiffe://dc1/agent/h7";

TEST(PolicyTest, WithoutRulesEverythingIsDenied) {
  const Policy policy = Make({}).value();
  EXPECT_EQ(policy.CheckRole(kHost, ROLE_AGENT).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(policy.CheckRole(kHost, ROLE_OPERATOR).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(policy.CheckClass(kHost, ROLE_AGENT, "default/gold").code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(PolicyTest, ARuleGivesItsRoleAndItsClassesOnly) {
  const Policy policy =
      Make({"{identity: \"spiffe://dc1/agent/*\", role: agent, allow: [default/gold]}"}).value();
  EXPECT_TRUE(policy.CheckRole(kHost, ROLE_AGENT).ok());
  EXPECT_TRUE(policy.CheckClass(kHost, ROLE_AGENT, "default/gold").ok());
  EXPECT_FALSE(policy.CheckClass(kHost, ROLE_AGENT, "default/bulk").ok());
  EXPECT_FALSE(policy.CheckClass(kHost, ROLE_READER, "default/gold").ok());
  EXPECT_FALSE(policy.CheckRole(kHost, ROLE_READER).ok());
  EXPECT_FALSE(policy.CheckRole(kHost, ROLE_OPERATOR).ok());
  EXPECT_FALSE(policy.CheckRole("spiffe://dc1/agent/h7/x", ROLE_AGENT).ok());
  EXPECT_FALSE(policy.CheckRole("spiffe://dc2/agent/h7", ROLE_AGENT).ok());
}

TEST(PolicyTest, AnyRuleThatMatchesIsEnough) {
  const Policy policy =
      Make({"{identity: \"dns:*.example\", role: reader, allow: [\"vault/*\"]}",
            "{identity: \"spiffe://dc1/agent/*\", role: agent, allow: [default/bulk]}",
            "{identity: \"spiffe://dc1/agent/h7\", role: agent, allow: [\"default/g*\"]}"})
          .value();
  EXPECT_TRUE(policy.CheckClass(kHost, ROLE_AGENT, "default/bulk").ok());
  EXPECT_TRUE(policy.CheckClass(kHost, ROLE_AGENT, "default/gold").ok());
  EXPECT_FALSE(policy.CheckClass("spiffe://dc1/agent/h8", ROLE_AGENT, "default/gold").ok());
  EXPECT_TRUE(policy.CheckClass("dns:h7.example", ROLE_READER, "vault/only").ok());
  EXPECT_FALSE(policy.CheckClass("dns:h7.example", ROLE_READER, "default/gold").ok());
}

TEST(PolicyTest, ANameOfOneTypeIsNotThatOfAnother) {
  const Policy policy = Make({"{identity: \"cn:ops\", role: operator}",
                              "{identity: \"dns:h7\", role: reader, allow: [\"vault/*\"]}"})
                            .value();
  EXPECT_TRUE(policy.CheckRole("cn:ops", ROLE_OPERATOR).ok());
  EXPECT_FALSE(policy.CheckRole("dns:ops", ROLE_OPERATOR).ok());
  EXPECT_FALSE(policy.CheckRole("ops", ROLE_OPERATOR).ok());
  EXPECT_TRUE(policy.CheckRole("dns:h7", ROLE_READER).ok());
  EXPECT_FALSE(policy.CheckRole("cn:h7", ROLE_READER).ok());
}

TEST(PolicyTest, AnIdentityWithoutItsTypeIsRefused) {
  for (const char* identity :
       {"ops", "*", "*.example", "dns:", "cn:", "spiffe://", "spiffe:x", "https://x", "DNS:x"}) {
    EXPECT_THAT(
        Complaint({absl::StrCat("{identity: \"", identity, "\", role: operator}")}),
        AllOf(StartsWith("server.yaml:9:"), HasSubstr("policy[0].identity"), HasSubstr("dns:NAME")))
        << identity;
  }
}

TEST(PolicyTest, ADnsNameThatCouldMatchNobodyIsRefused) {
  EXPECT_THAT(
      Complaint({"{identity: \"dns:H7.example\", role: operator}"}),
      AllOf(HasSubstr("'dns:H7.example' would match nobody"), HasSubstr("write dns:h7.example")));
  EXPECT_TRUE(Make({"{identity: \"cn:Ops\", role: operator}"}).ok());
  EXPECT_TRUE(Make({"{identity: \"spiffe://dc1/Ops\", role: operator}"}).ok());
}

TEST(PolicyTest, AnOperatorDrawsNothing) {
  const Policy policy = Make({"{identity: \"cn:ops\", role: operator}"}).value();
  EXPECT_TRUE(policy.CheckRole("cn:ops", ROLE_OPERATOR).ok());
  EXPECT_FALSE(policy.CheckClass("cn:ops", ROLE_OPERATOR, "default/gold").ok());
  EXPECT_FALSE(policy.CheckClass("cn:ops", ROLE_AGENT, "default/gold").ok());
}

TEST(PolicyTest, DenialsSayWhoAndWhat) {
  const Policy policy = Make({}).value();
  EXPECT_THAT(std::string(policy.CheckRole(kHost, ROLE_OPERATOR).message()),
              AllOf(HasSubstr(kHost), HasSubstr("operator")));
  EXPECT_THAT(std::string(policy.CheckClass(kHost, ROLE_READER, "vault/only").message()),
              AllOf(HasSubstr(kHost), HasSubstr("reader"), HasSubstr("vault/only")));
}

TEST(PolicyTest, APatternThatNamesNoLeafIsRefused) {
  for (const char* pattern : {"default/root", "default/silver", "gold", "default", "*"}) {
    EXPECT_THAT(
        Complaint({"{identity: \"cn:a\", role: agent, allow: [default/gold]}",
                   absl::StrCat("{identity: \"cn:b\", role: agent, allow: [default/gold, \"",
                                pattern, "\"]}")}),
        AllOf(StartsWith("server.yaml:10:"), HasSubstr("policy[1].allow[1]"),
              HasSubstr(absl::StrCat("'", pattern, "'")), HasSubstr("default/bulk")))
        << pattern;
  }
}

TEST(PolicyTest, RulesThatCanNeverAllowAreRefused) {
  for (const char* role : {"agent", "reader"}) {
    EXPECT_THAT(Complaint({absl::StrCat("{identity: \"cn:a\", role: ", role, "}")}),
                AllOf(StartsWith("server.yaml:9:"), HasSubstr(role), HasSubstr("default/gold")));
  }
}

TEST(PolicyTest, TheRulesThatAllowAnAgentAClassSayHowMuchItMayWeighThere) {
  const Policy policy =
      Make(
          {"{identity: \"spiffe://dc1/agent/*\", role: agent, allow: [\"default/*\"]}",
           "{identity: \"spiffe://dc1/agent/h7\", role: agent, allow: [default/bulk], "
           "max_weight: 200}",
           "{identity: \"spiffe://dc1/agent/h8\", role: agent, allow: [vault/only], max_weight: 2}",
           "{identity: \"spiffe://dc1/agent/*\", role: reader, allow: [default/gold], "
           "max_weight: 4096}"})
          .value();
  EXPECT_EQ(policy.MaxWeight(kHost, "default/gold"), 64u);
  EXPECT_EQ(policy.MaxWeight(kHost, "default/bulk"), 200u);
  EXPECT_EQ(policy.MaxWeight("spiffe://dc1/agent/h8", "default/bulk"), 64u);
  EXPECT_EQ(policy.MaxWeight("spiffe://dc1/agent/h8", "vault/only"), 2u);
  EXPECT_EQ(policy.MaxWeight("spiffe://dc2/agent/h8", "default/gold"), 1u);
  EXPECT_THAT(Make({"{identity: \"cn:a\", role: agent, allow: [default/gold], max_weight: 4097}"})
                  .status()
                  .ToString(),
              HasSubstr("max_weight: '4097' is too large"));
}

TEST(PolicyTest, APolicyThatLetsNobodyDrawIsRefused) {
  const auto complaint = [](const std::vector<std::string>& rules) {
    config::v1::Server config;
    config::Locations locations;
    EXPECT_TRUE(Load(rules, &config, &locations).ok());
    return std::string(Policy::CheckDraws(config, locations).message());
  };
  EXPECT_EQ(complaint({}),
            "server.yaml:1:1: policy: there is no rule, so the server would shut everybody out; is "
            "the file whole? add e.g. - {identity: \"spiffe://dc1/agent/*\", role: agent, allow: "
            "[\"default/gold\"]}");
  EXPECT_THAT(complaint({"{identity: \"cn:a\", role: operator}"}),
              StartsWith("server.yaml:8:1: policy: no rule lets anybody draw"));
  EXPECT_EQ(complaint({"{identity: \"cn:a\", role: reader, allow: [default/gold]}"}), "");
  EXPECT_EQ(complaint({"{identity: \"cn:a\", role: agent, allow: [default/gold]}"}), "");
}

TEST(PolicyTest, AnOperatorRuleWithClassesIsRefused) {
  EXPECT_THAT(
      Complaint({"{identity: \"cn:a\", role: operator, allow: [default/gold]}"}),
      AllOf(StartsWith("server.yaml:9:"), HasSubstr("policy[0].allow"), HasSubstr("role: reader")));
}

}  // namespace
}  // namespace entropyd
