#include "base/config/config.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"
#include "tests/base/config/complaints.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ConfigTest, ReadsTheWholeServerExample) {
  auto server = MustParse<config::v1::Server>(R"(
listen: 0.0.0.0:7743
metrics: "127.0.0.1:9743"   # quotes do not matter for text
tls: {cert: /etc/tls.crt, key: /etc/tls.key, client_ca: /etc/ca.crt, crl: /etc/crl.pem}
allow_software: true
max_credit: 1MiB
sources:
  - {name: trng0, driver: char_device, path: /dev/hwrng, group: board, min_entropy_bits_per_byte: 4}
  - {name: cpu, driver: rdrand}
pools:
  - name: default
    quality: full
    sources: [trng0, cpu]
    max_seed_age: 90s
    classes:
      - {name: root, rate: 10MiB/s, ceil: 20MiB/s}
      - {name: bulk, parent: root, rate: 64KiB/s, weight: 0.5, prio: 1, member_weight: guests}
policy:
  - {identity: "spiffe://dc1/agent/*", role: agent, allow: ["default/*"]}
)");
  EXPECT_TRUE(server.allow_software());
  EXPECT_EQ(server.max_credit(), 1048576u);
  ASSERT_EQ(server.sources_size(), 2);
  EXPECT_EQ(server.sources(0).driver(), "char_device");
  EXPECT_EQ(server.sources(0).min_entropy_bits_per_byte(), 4);
  EXPECT_FALSE(server.sources(1).has_min_entropy_bits_per_byte());
  ASSERT_EQ(server.pools_size(), 1);
  const auto& pool = server.pools(0);
  EXPECT_EQ(pool.quality(), config::v1::POOL_QUALITY_FULL);
  EXPECT_THAT(pool.sources(), ElementsAre("trng0", "cpu"));
  EXPECT_EQ(pool.max_seed_age(), 90'000'000'000u);
  EXPECT_EQ(pool.classes(0).ceil(), uint64_t{20} << 20);
  EXPECT_EQ(pool.classes(1).weight(), 0.5);
  EXPECT_EQ(pool.classes(1).prio(), 1u);
  EXPECT_EQ(pool.classes(1).member_weight(), config::v1::MEMBER_WEIGHT_GUESTS);
  EXPECT_EQ(server.policy(0).role(), config::v1::ROLE_AGENT);
}

TEST(ConfigTest, ReadsMapsByKey) {
  auto agent = MustParse<config::v1::HostAgent>(
      MinimalAgent("classes:\n"
                   "  default/gold: {on_upstream_loss: block}\n"
                   "  default/bulk: {guest_ceil: 64KiB/s, buffer: 4KiB}\n"));
  ASSERT_EQ(agent.classes_size(), 2);
  EXPECT_EQ(agent.classes().at("default/bulk").guest_ceil(), 65536u);
  EXPECT_EQ(agent.classes().at("default/gold").on_upstream_loss(),
            config::v1::ON_UPSTREAM_LOSS_BLOCK);
}

TEST(ConfigTest, DefaultsFillWhatIsAbsent) {
  auto server = MustParse<config::v1::Server>(MinimalServer());
  EXPECT_EQ(server.listen(), "0.0.0.0:7743");
  EXPECT_EQ(server.metrics(), "127.0.0.1:9743");
  EXPECT_EQ(server.max_credit(), 262144u);
  EXPECT_EQ(server.max_agents(), 10000u);
  EXPECT_FALSE(server.allow_software());
}

TEST(ConfigTest, DefaultsFillMessagesThatArePresent) {
  auto server = MustParse<config::v1::Server>(MinimalServer("log: {level: debug}\n"));
  EXPECT_EQ(server.log().level(), config::v1::LOG_LEVEL_DEBUG);
  EXPECT_EQ(server.log().format(), config::v1::LOG_FORMAT_LOGFMT);
  EXPECT_EQ(server.pools(0).quality(), config::v1::POOL_QUALITY_DRBG);
  EXPECT_EQ(server.pools(0).reseed_interval(), 60'000'000'000u);
  EXPECT_EQ(server.pools(0).min_healthy_groups(), 1u);
  EXPECT_EQ(server.pools(0).classes(0).member_weight(), config::v1::MEMBER_WEIGHT_EQUAL);
}

TEST(ConfigTest, DefaultsFillAbsentMessagesThatRequireNothing) {
  auto server = MustParse<config::v1::Server>(MinimalServer());
  EXPECT_EQ(server.log().level(), config::v1::LOG_LEVEL_INFO);
  EXPECT_EQ(server.log().format(), config::v1::LOG_FORMAT_LOGFMT);
}

TEST(ConfigTest, AbsentMessagesWithRequiredKeysStayAbsent) {
  auto client = MustParse<config::v1::Client>("");
  EXPECT_FALSE(client.has_tls());
  EXPECT_EQ(client.server(), "localhost:7743");
  EXPECT_FALSE(MustParse<config::v1::HostAgent>(MinimalAgent()).has_defaults());
}

TEST(ConfigTest, ADefaultDoesNotOverrideAnEmptyText) {
  EXPECT_EQ(MustParse<config::v1::Server>(MinimalServer("metrics: \"\"\n")).metrics(), "");
}

TEST(ConfigTest, UnknownKeyIsNamedWithASuggestion) {
  EXPECT_EQ(AgentComplaint("tls: {cert: c, key: k, ca: a}\n"
                           "listeners: [{path: /run/egd.sock, class: default/gold}]\n"
                           "severs: [\"localhost:7743\"]\n"
                           "servers: [x]\n"),
            "agent.yaml:3:1: unknown key 'severs'; did you mean 'servers'?");
  EXPECT_EQ(
      ServerComplaint(absl::StrReplaceAll(MinimalServer(), {{"rate:", "rate: 1B/s, cieling:"}})),
      "server.yaml:8:34: pools[0].classes[0]: unknown key 'cieling'; known here: name, parent, "
      "rate, ceil, burst, cburst, weight, prio, member_weight");
  EXPECT_EQ(ClientComplaint("Server: x\n"),
            "client.yaml:1:1: unknown key 'Server'; did you mean 'server'?");
  EXPECT_EQ(ClientComplaint("conrtol: x\n"),
            "client.yaml:1:1: unknown key 'conrtol'; did you mean 'control'?");
}

TEST(ConfigTest, DuplicateKeyIsRefused) {
  EXPECT_EQ(ClientComplaint("server: a\nclass: b\nserver: c\n"),
            "client.yaml:3:1: duplicate key 'server', first at line 1; remove one");
}

TEST(ConfigTest, MissingKeysAreAllNamed) {
  EXPECT_EQ(AgentComplaint("tls: {cert: c}\n"),
            "agent.yaml:1:1: tls: required key 'key' is missing\n"
            "agent.yaml:1:1: tls: required key 'ca' is missing: PEM bundle that signs the servers\n"
            "agent.yaml:1:1: required key 'servers' is missing: HOST:PORT of each entropyd\n"
            "agent.yaml:1:1: required key 'listeners' is missing");
}

TEST(ConfigTest, RequiredKeysMustHaveContent) {
  EXPECT_EQ(AgentComplaint(absl::StrReplaceAll(MinimalAgent(), {{"[\"localhost:7743\"]", "[]"}})),
            "agent.yaml:1:1: servers: must not be empty; write at least one: HOST:PORT of each "
            "entropyd");
  EXPECT_EQ(AgentComplaint(absl::StrReplaceAll(MinimalAgent(), {{"cert: c", "cert: \"\""}})),
            "agent.yaml:2:13: tls.cert: must not be empty; write a value");
  EXPECT_EQ(AgentComplaint(absl::StrReplaceAll(MinimalAgent(), {{"localhost:7743", ""}})),
            "agent.yaml:1:11: servers[0]: must not be empty; write a value");
}

TEST(ConfigTest, ValuesWithAUnitSayWhatToWrite) {
  EXPECT_EQ(
      ServerComplaint("tls: {cert: c, key: k, client_ca: a}\n"
                      "sources:\n"
                      "  - {name: trng0, driver: rdrand}\n"
                      "pools:\n"
                      "  - name: default\n"
                      "    sources: [trng0]\n"
                      "    classes:\n"
                      "      - name: root\n"
                      "        rate: 1MiB/s\n"
                      "\n"
                      "      - name: bulk\n"
                      "        parent: root\n"
                      "        rate: 1KiB/s\n"
                      "        ceil: 8KB/s\n"),
      "server.yaml:14:15: pools[0].classes[1].ceil: '8KB/s' is not a rate; write e.g. 8KiB/s");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_credit: 65536\n")),
            "server.yaml:9:13: max_credit: '65536' is not a size; write e.g. 65536B");
  EXPECT_EQ(AgentComplaint(MinimalAgent("defaults: {max_age: 60}\n")),
            "agent.yaml:4:21: defaults.max_age: '60' is not a duration; write e.g. 60s");
}

// 0 would mean "no ceiling" to whoever reads the message, the opposite of what was written.
TEST(ConfigTest, ACeilingOfZeroIsRefusedRatherThanReadAsNone) {
  EXPECT_EQ(ServerComplaint("tls: {cert: c, key: k, client_ca: a}\n"
                            "sources: [{name: s, driver: rdrand}]\n"
                            "pools:\n"
                            "  - name: default\n"
                            "    sources: [s]\n"
                            "    classes: [{name: root, rate: 1B/s, ceil: 0B/s}]\n"),
            "server.yaml:6:46: pools[0].classes[0].ceil: '0B/s' is too small; the least is 1B/s");
  EXPECT_EQ(AgentComplaint(MinimalAgent("classes:\n  default/bulk: {guest_ceil: 0B/s}\n")),
            "agent.yaml:5:30: classes[default/bulk].guest_ceil: '0B/s' is too small; "
            "the least is 1B/s");
}

TEST(ConfigTest, RangesAreInclusive) {
  EXPECT_EQ(ServerComplaint(MinimalServer("max_credit: 4KiB\n")), "");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_credit: 4MiB\n")), "");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_credit: 4095B\n")),
            "server.yaml:9:13: max_credit: '4095B' is too small; the least is 4KiB");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_credit: 5MiB\n")),
            "server.yaml:9:13: max_credit: '5MiB' is too large; the most is 4MiB");
  // 256 KiB is what the wire allows (kAttachMaxPayload).
  EXPECT_EQ(ServerComplaint(MinimalServer("max_payload: 256KiB\n")), "");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_payload: 262145B\n")),
            "server.yaml:9:14: max_payload: '262145B' is too large; the most is 256KiB");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_agents: 0\n")),
            "server.yaml:9:13: max_agents: '0' is too small; the least is 1");
  EXPECT_EQ(ServerComplaint(absl::StrReplaceAll(
                MinimalServer(), {{"path: /dev/hwrng", "min_entropy_bits_per_byte: 8.01"}})),
            "server.yaml:3:67: sources[0].min_entropy_bits_per_byte: '8.01' is too large; the most "
            "is 8");
}

TEST(ConfigTest, NumbersAreCanonicalDecimal) {
  for (const char* text : {"010", "0x10", "1e3", "+1", "1_000", "1.0", ".5", "ten", "1 2"}) {
    EXPECT_EQ(ServerComplaint(MinimalServer(absl::StrCat("max_agents: ", text, "\n"))),
              absl::StrCat("server.yaml:9:13: max_agents: '", text,
                           "' is not a whole number; write plain decimal digits, e.g. 10"));
  }
  for (const char* text : {"01", "1e3", ".5", "1.", "inf", ".nan", "0x1p3", "1,5"}) {
    EXPECT_THAT(ServerComplaint(absl::StrReplaceAll(
                    MinimalServer(), {{"rate: 10MiB/s", absl::StrCat("weight: '", text, "'")}})),
                HasSubstr("is text; write it without quotes"));
    EXPECT_THAT(ServerComplaint(absl::StrReplaceAll(
                    MinimalServer(), {{"- {name: root, rate: 10MiB/s}",
                                       absl::StrCat("- name: root\n        weight: ", text)}})),
                HasSubstr("is not a number; write plain decimal digits, e.g. 0.5"))
        << text;
  }
  EXPECT_EQ(ServerComplaint(MinimalServer("max_agents: -1\n")),
            "server.yaml:9:13: max_agents: '-1' is too small; the least is 1")
      << "the bound of the rule, not that of the type";
  EXPECT_EQ(ServerComplaint(MinimalServer("max_agents: 4294967296\n")),
            "server.yaml:9:13: max_agents: '4294967296' is too large; the most is 100000");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_connections: 4294967296\n")),
            "server.yaml:9:18: max_connections: '4294967296' is too large; the most is 4294967295")
      << "no rule";
  EXPECT_EQ(
      ServerComplaint(absl::StrReplaceAll(
          MinimalServer(), {{"    classes:\n", "    min_healthy_groups: -1\n    classes:\n"}})),
      "server.yaml:7:25: pools[0].min_healthy_groups: '-1' is too small; the least is 1");
}

TEST(ConfigTest, BooleansAreTrueAndFalse) {
  for (const char* text : {"yes", "no", "on", "True", "FALSE", "1", "y"}) {
    EXPECT_EQ(ServerComplaint(MinimalServer(absl::StrCat("allow_software: ", text, "\n"))),
              absl::StrCat("server.yaml:9:17: allow_software: '", text, "' is not true or false"));
  }
  EXPECT_EQ(ServerComplaint(MinimalServer("allow_software: \"true\"\n")),
            "server.yaml:9:17: allow_software: 'true' is text; write it without quotes");
  EXPECT_EQ(ServerComplaint(MinimalServer("allow_software: false\n")), "");
}

TEST(ConfigTest, EnumeratorsAreListed) {
  EXPECT_EQ(AgentComplaint(MinimalAgent("log: {format: xml}\n")),
            "agent.yaml:4:15: log.format: 'xml' is not one of logfmt, json");
  EXPECT_EQ(AgentComplaint(MinimalAgent("log: {format: jsno}\n")),
            "agent.yaml:4:15: log.format: 'jsno' is not one of logfmt, json; did you mean 'json'?");
  EXPECT_EQ(AgentComplaint(MinimalAgent("log: {format: LOG_FORMAT_JSON}\n")),
            "agent.yaml:4:15: log.format: 'LOG_FORMAT_JSON' is not one of logfmt, json");
  EXPECT_EQ(AgentComplaint(MinimalAgent("log: {format: unspecified}\n")),
            "agent.yaml:4:15: log.format: 'unspecified' is not one of logfmt, json");
}

TEST(ConfigTest, WrongShapesAreNamed) {
  EXPECT_EQ(AgentComplaint(absl::StrReplaceAll(MinimalAgent(), {{"[\"localhost:7743\"]", "h:1"}})),
            "agent.yaml:1:10: servers: expected a list, found a value; write [h:1]");
  EXPECT_EQ(ClientComplaint("server: [a]\n"),
            "client.yaml:1:1: server: expected text, found a list");
  EXPECT_EQ(ClientComplaint("tls: yes\n"),
            "client.yaml:1:6: tls: expected keys and values, found a value");
  EXPECT_EQ(AgentComplaint(MinimalAgent("classes: [a]\n")),
            "agent.yaml:4:1: classes: expected keys and values, found a list");
  EXPECT_EQ(ClientComplaint("- a\n"), "client.yaml:1:1: expected keys and values, found a list");
  EXPECT_EQ(ClientComplaint("hello\n"), "client.yaml:1:1: expected keys and values, found a value");
}

TEST(LocationsTest, LaterChecksPointAtTheKey) {
  config::v1::Server server;
  config::Locations locations;
  ASSERT_TRUE(config::Parse(MinimalServer(), "server.yaml", &server, &locations).ok());
  EXPECT_EQ(locations.Where("pools[0].classes[0].rate"), "server.yaml:8:28");
  EXPECT_EQ(locations.Where("pools[0].sources[0]"), "server.yaml:6:15");
  EXPECT_EQ(locations.Where("pools"), "server.yaml:4:1");
  EXPECT_EQ(locations.Where("pools[0]"), "server.yaml:5:5");
  EXPECT_EQ(locations.Where("pools[0].capacity"), "server.yaml:5:5") << "absent: what encloses it";
  EXPECT_EQ(locations.Where("policy[0].allow"), "server.yaml:1:1");
  EXPECT_EQ(locations.Where(""), "server.yaml:1:1");
  absl::Status error = locations.Error("pools[0].classes[0].rate", "more than the pool has");
  EXPECT_EQ(error.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error.message(), "server.yaml:8:28: pools[0].classes[0].rate: more than the pool has");
}

TEST(LocationsTest, MapKeysMayHoldDotsAndSlashes) {
  config::v1::HostAgent agent;
  config::Locations locations;
  ASSERT_TRUE(config::Parse(MinimalAgent("classes:\n  a.b/c.d:\n    buffer: 8KiB\n"), "agent.yaml",
                            &agent, &locations)
                  .ok());
  EXPECT_EQ(locations.Where("classes[a.b/c.d].buffer"), "agent.yaml:6:13");
  EXPECT_EQ(locations.Where("classes[a.b/c.d].max_age"), "agent.yaml:5:3");
}

}  // namespace
}  // namespace entropyd
