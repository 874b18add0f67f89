#include "server/config_warnings.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "client/pki/pki.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kServer[] =
    "tls: {cert: c, key: k, client_ca: a}\n"
    "sources:\n"
    "  - {name: a, driver: rdrand}\n"
    "  - {name: b, driver: rdrand}\n"
    "pools:\n"
    "  - name: p\n"
    "    sources: [a, b]\n"
    "    classes:\n"
    "      - {name: root, rate: 1MiB/s}\n"
    "      - {name: gold, parent: root, rate: 1KiB/s}\n"
    "policy:\n"
    "  - {identity: \"spiffe://t/*\", role: agent, allow: [p/gold]}\n";

// Of the configuration above with one text replaced.
std::string WarningsOf(const std::string& from, const std::string& to) {
  const std::string text = absl::StrReplaceAll(kServer, {{from, to}});
  EXPECT_TRUE(from.empty() || text != kServer) << from;
  config::v1::Server config;
  config::Locations locations;
  const absl::Status parsed = config::Parse(text, "server.yaml", &config, &locations);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return absl::StrJoin(ConfigWarnings(config, locations), "\n");
}
std::string WithKey(const std::string& line) { return WarningsOf("policy:", line + "\npolicy:"); }

TEST(ConfigWarningsTest, ASoundConfigurationHasNone) { EXPECT_EQ(WithKey("max_gets: 1024"), ""); }

TEST(ConfigWarningsTest, ASourceOfNoPoolIsNamed) {
  EXPECT_EQ(WarningsOf("[a, b]", "[a]"),
            "server.yaml:4:12: sources[1].name: no pool names 'b', so its bytes are of use to "
            "nobody; add it to the sources of a pool, or remove it");
}

TEST(ConfigWarningsTest, AKeyThatDoesNothingBesideTheOthersIsNamedWithItsPlace) {
  EXPECT_THAT(WarningsOf("name: p\n", "name: p\n    capacity: 1MiB\n"),
              StartsWith("server.yaml:7:15: pools[0].capacity: does nothing in a pool of quality"));
  EXPECT_EQ(WarningsOf("name: p\n", "name: p\n    quality: full\n    capacity: 1MiB\n"), "");
  EXPECT_THAT(WarningsOf("name: root,", "name: root, weight: 2,"),
              HasSubstr("pools[0].classes[0].weight: does nothing: it counts among siblings"));
  EXPECT_THAT(WarningsOf("name: root,", "name: root, prio: 0,"), HasSubstr("classes[0].prio"));
  EXPECT_EQ(WarningsOf("name: gold,", "name: gold, weight: 2, prio: 1,"), "");
  EXPECT_THAT(WarningsOf("name: root,", "name: root, member_weight: guests,"),
              HasSubstr("classes[0].member_weight: does nothing: agents are members of leaf"));
  EXPECT_EQ(WarningsOf("name: gold,", "name: gold, member_weight: guests,"), "");
}

TEST(ConfigWarningsTest, AWeightThatNoClassAsksForIsNamed) {
  EXPECT_THAT(WarningsOf("[p/gold]", "[p/gold], max_weight: 8"),
              HasSubstr("policy[0].max_weight: does nothing: it is for agents, in classes with"));
  const std::string gold = "name: gold, parent: root, rate: 1KiB/s}";
  const auto weighed = [&](const std::string& rule) {
    return WarningsOf(absl::StrCat(gold, "\npolicy:\n  - {identity: \"spiffe://t/*\", role: agent"),
                      absl::StrCat("name: gold, parent: root, rate: 1KiB/s, member_weight: guests}",
                                   "\npolicy:\n  - {identity: \"spiffe://t/*\", ", rule));
  };
  EXPECT_EQ(weighed("max_weight: 8, role: agent"), "");
  EXPECT_THAT(weighed("max_weight: 8, role: reader"), HasSubstr("policy[0].max_weight"));
}

TEST(ConfigWarningsTest, AShareAboveTheWholeIsNamed) {
  EXPECT_THAT(WithKey("max_gets: 8\nmax_gets_per_identity: 9"),
              HasSubstr("max_gets_per_identity: does nothing above max_gets (8)"));
  EXPECT_EQ(WithKey("max_gets: 8\nmax_gets_per_identity: 8"), "");
  EXPECT_EQ(WithKey("max_gets: 8"), "") << "the default is nobody's fault";
  EXPECT_THAT(WithKey("max_handshakes: 8\nmax_handshakes_per_address: 9"),
              HasSubstr("max_handshakes_per_address: does nothing above max_handshakes (8)"));
}

TEST(ConfigWarningsTest, ASilenceThatSuspendsThePoolFirstIsNamed) {
  const auto silent = [](const char* a, const char* b) {
    return WarningsOf("rdrand}\n  - {name: b, driver: rdrand}\n",
                      absl::StrCat("rdrand", a, "}\n  - {name: b, driver: rdrand", b, "}\n"));
  };
  EXPECT_THAT(silent(", silence: 11m", ", silence: 1h"),
              HasSubstr("sources[0].silence: the source may give nothing for 11m"));
  EXPECT_EQ(silent(", silence: 10m", ", silence: 10m"), "") << "as long as max_seed_age";
  EXPECT_EQ(silent(", silence: 11m", ""), "") << "the other one gives the seed";
}

TEST(ConfigWarningsTest, AKeyThatEverybodyMayReadIsNamed) {
  const TempDir dir;
  const std::string key = dir / "tls.key";
  std::ofstream(key) << "secret";
  std::filesystem::permissions(key, std::filesystem::perms(0640));
  EXPECT_EQ(WarningsOf("key: k", absl::StrCat("key: ", key)), "");
  std::filesystem::permissions(key, std::filesystem::perms(0644));
  EXPECT_THAT(WarningsOf("key: k", absl::StrCat("key: ", key)),
              StartsWith(absl::StrCat("server.yaml:1:21: tls.key: everybody may read ", key)));
}

TEST(ConfigWarningsTest, ACertificateNamesAHostByADnsNameOrAnAddress) {
  const TempDir dir;
  ASSERT_TRUE(pki::Init(dir.path(), {.common_name = "TEST"}, absl::Now()).ok());
  const auto names_a_host = [&](const char* name, std::vector<std::string> dns,
                                std::vector<std::string> ip) {
    pki::IssueRequest request;
    request.name = name;
    request.spiffe_id = "spiffe://test/server";
    request.dns_names = std::move(dns);
    request.ip_addresses = std::move(ip);
    EXPECT_TRUE(pki::Issue(dir.path(), request, absl::Now()).ok());
    std::ifstream file(absl::StrCat(dir.path(), "/", name, ".crt"));
    std::stringstream text;
    text << file.rdbuf();
    return NamesAHost(text.str());
  };
  EXPECT_TRUE(names_a_host("dns", {"entropyd.example"}, {}));
  EXPECT_TRUE(names_a_host("ip", {}, {"192.0.2.1"}));
  EXPECT_FALSE(names_a_host("neither", {}, {}));
  EXPECT_FALSE(NamesAHost("no certificate"));
}

}  // namespace
}  // namespace entropyd
