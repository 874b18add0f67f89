#include "base/config/config.h"

#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What the loader says about `text` as a configuration of type T; "" when it accepts it.
template <typename T>
std::string Complaint(const std::string& text, const std::string& name) {
  T message;
  config::Locations locations;
  return std::string(config::Parse(text, name, &message, &locations).message());
}

std::string AgentComplaint(const std::string& text) {
  return Complaint<config::v1::HostAgent>(text, "agent.yaml");
}
std::string ServerComplaint(const std::string& text) {
  return Complaint<config::v1::Server>(text, "server.yaml");
}

// It has no required key, so that one line makes one error.
std::string ClientComplaint(const std::string& text) {
  return Complaint<config::v1::Client>(text, "client.yaml");
}

// All required keys and nothing else; `more` follows at the top level.
std::string MinimalServer(const std::string& more = "") {
  return absl::StrCat(
      "tls: {cert: c, key: k, client_ca: a}\n"
      "sources:\n"
      "  - {name: trng0, driver: char_device, path: /dev/hwrng}\n"
      "pools:\n"
      "  - name: default\n"
      "    sources: [trng0]\n"
      "    classes:\n"
      "      - {name: root, rate: 10MiB/s}\n",
      more);
}

std::string MinimalAgent(const std::string& more = "") {
  return absl::StrCat(
      "servers: [\"localhost:7743\"]\n"
      "tls: {cert: c, key: k, ca: a}\n"
      "listeners: [{path: /run/egd.sock, class: default/gold}]\n",
      more);
}

template <typename T>
T MustParse(const std::string& text) {
  T message;
  config::Locations locations;
  absl::Status status = config::Parse(text, "ok.yaml", &message, &locations);
  EXPECT_TRUE(status.ok()) << status;
  return message;
}

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

TEST(ConfigTest, AKeyWithoutAValueIsRefused) {
  EXPECT_EQ(ClientComplaint("class: x\nserver:\n"),
            "client.yaml:2:1: server: has no value; write one or remove the key");
  EXPECT_EQ(ClientComplaint("server: ~\n"),
            "client.yaml:1:1: server: has no value; write one or remove the key");
  EXPECT_EQ(AgentComplaint(
                absl::StrReplaceAll(MinimalAgent(), {{"[\"localhost:7743\"]", "\n  - a\n  -"}})),
            "agent.yaml:1:1: servers[1]: has no value; write one or remove the '-'");
}

TEST(ConfigTest, AnchorsAliasesAndTagsAreRefused) {
  EXPECT_EQ(ClientComplaint("server: &s a\n"),
            "client.yaml:1:9: anchors are not supported; write the value out where it is used");
  EXPECT_EQ(ClientComplaint("server: &s a\nclass: *s\n"),
            "client.yaml:1:9: anchors are not supported; write the value out where it is used\n"
            "client.yaml:2:8: aliases are not supported; write the value out");
  EXPECT_EQ(ClientComplaint("server: !!str a\n"),
            "client.yaml:1:9: tag 'tag:yaml.org,2002:str' is not supported; remove it");
}

TEST(ConfigTest, AnAliasBombIsRefusedAtItsFirstAnchor) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'p'; ++c) {
    const std::string last(1, static_cast<char>(c - 1));
    absl::StrAppend(&bomb, std::string(1, c), ": &", std::string(1, c), " [*", last, ", *", last,
                    ", *", last, ", *", last, ", *", last, "]\n");
  }
  EXPECT_THAT(ClientComplaint(bomb), StartsWith("client.yaml:1:4: anchors are not supported"));
}

TEST(ConfigTest, TabsAreRefused) {
  EXPECT_EQ(ClientComplaint("tls:\n\tcert: c\n"), "client.yaml:2:1: tab; use spaces");
  EXPECT_EQ(ClientComplaint("server:\ta\n"), "client.yaml:1:8: tab; use spaces");
  EXPECT_EQ(ClientComplaint("server: a\t# before a comment it does no harm\n"), "");
}

TEST(ConfigTest, OneDocumentWithoutDirectives) {
  EXPECT_EQ(ClientComplaint("---\nserver: a\n"), "");
  EXPECT_THAT(ClientComplaint("server: a\n---\nserver: b\n"),
              HasSubstr("a second document begins; keep one document per file"));
  EXPECT_EQ(ClientComplaint("%YAML 1.2\n---\nserver: a\n"),
            "client.yaml:1:1: YAML directives are not supported; remove the line");
}

TEST(ConfigTest, BytesThatAreNoTextAreRefused) {
  EXPECT_EQ(ClientComplaint("server: \xff\n"),
            "client.yaml:1:9: not valid UTF-8; save the file as UTF-8");
  EXPECT_EQ(ClientComplaint(std::string("server: a\0b\n", 12)),
            "client.yaml:1:10: control character 0x00; remove it");
  EXPECT_EQ(ClientComplaint("server: \"a\\0b\"\n"),
            "client.yaml:1:9: server: 'a\\x00b' contains a control character; remove it");
  EXPECT_EQ(ClientComplaint("\xef\xbb\xbfserver: a\r\n"), "");  // as some editors save it
}

TEST(ConfigTest, BrokenYamlIsExplained) {
  EXPECT_EQ(
      ClientComplaint("server: a: b\n"),
      "client.yaml:1:10: not valid YAML: illegal map value; check the indentation, or quote a "
      "value that contains ': '");
  EXPECT_EQ(ClientComplaint("tls: {cert: a\n"),
            "client.yaml:2:1: not valid YAML: end of map flow not found; a '{' is not closed");
  EXPECT_EQ(ClientComplaint("server: @a\n"),
            "client.yaml:1:9: not valid YAML: unknown token; quote a value that begins with a "
            "special character");
  EXPECT_EQ(ClientComplaint("server: \"a\n"),
            "client.yaml:1:9: a quote is opened and never closed");
  EXPECT_EQ(ClientComplaint("server: 'it''s\n"),
            "client.yaml:1:9: a quote is opened and never closed");
  EXPECT_EQ(ClientComplaint("server: 'it''s'\nclass: \"say \\\"x\\\"\"\n"), "");
  EXPECT_EQ(ClientComplaint(", ]"), "client.yaml:1:1: not valid YAML: unexpected character");
  EXPECT_EQ(ClientComplaint("? {a: b}\n: c\n"), "client.yaml:1:3: a key must be plain text");
}

TEST(ConfigTest, ColumnsCountBytesAfterText) {
  EXPECT_EQ(ClientComplaint("{server: \xc3\xa4, sever: b}\n"),
            "client.yaml:1:14: unknown key 'sever'; did you mean 'server'?");
}

TEST(ConfigTest, DeepNestingIsRefusedWithoutRecursion) {
  EXPECT_THAT(ClientComplaint("server: " + std::string(40, '[') + std::string(40, ']') + "\n"),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(ClientComplaint("server: " + std::string(5000, '[')), StartsWith("client.yaml:1:"));
}

TEST(ConfigTest, LongTextsAreCutInMessages) {
  EXPECT_EQ(ClientComplaint(std::string(200, 'k') + ": x\n").substr(0, 110),
            "client.yaml:1:1: unknown key '" + std::string(64, 'k') + "...'; known here");
  EXPECT_EQ(ClientComplaint("server: " + std::string(5000, 'v') + "\n"),
            "client.yaml:1:9: server: a value of 5000 bytes is too long; the most is 4096");
  EXPECT_EQ(ServerComplaint(MinimalServer("max_agents: " + std::string(65, '1') + "\n")),
            "server.yaml:9:13: max_agents: a value of 65 bytes is too long; the most is 64");
}

TEST(ConfigTest, IndependentErrorsAreReportedTogetherInTheOrderOfTheFile) {
  EXPECT_EQ(
      ServerComplaint("lissen: x\n"
                      "tls: {cert: c, key: k, client_ca: a}\n"
                      "sources: [{name: a, driver: rdrand}]\n"
                      "pools: [{name: p, sources: [a], quality: fll, capacity: 1KiB, "
                      "classes: [{name: r}]}]\n"
                      "max_agents: many\n"),
      "server.yaml:1:1: unknown key 'lissen'; did you mean 'listen'?\n"
      "server.yaml:4:42: pools[0].quality: 'fll' is not one of drbg, full; did you mean 'full'?\n"
      "server.yaml:4:57: pools[0].capacity: '1KiB' is too small; the least is 4KiB\n"
      "server.yaml:5:13: max_agents: 'many' is not a whole number; write plain decimal digits, "
      "e.g. 10");
}

TEST(ConfigTest, AtMostTenErrorsAreReported) {
  std::string text;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&text, "bad", i, ": x\n");
  std::vector<std::string> lines = absl::StrSplit(ClientComplaint(text), '\n');
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(lines[10], "client.yaml: and more; mend these first");
  EXPECT_THAT(lines[0], StartsWith("client.yaml:1:1: "));
  EXPECT_THAT(lines[9], StartsWith("client.yaml:10:1: "));
}

TEST(ConfigTest, ExactlyTenErrorsAreAll) {
  std::string text;
  for (int i = 0; i < 10; ++i) absl::StrAppend(&text, "bad", i, ": x\n");
  EXPECT_THAT(ClientComplaint(text), Not(HasSubstr("and more")));
}

TEST(ConfigTest, AFileWithoutANameIsToldSo) {
  config::v1::Client client;
  EXPECT_EQ(config::Load("", &client, nullptr),
            absl::InvalidArgumentError("read the configuration: the name of its file is empty"));
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

class TempFile {
 public:
  explicit TempFile(const std::string& content) { std::ofstream(path_) << content; }
  const std::string& path() const { return path_; }

 private:
  const TempDir dir_;
  const std::string path_ = dir_ / "file";
};

TEST(LoadTest, ReadsAFileAndNamesItInErrors) {
  TempFile good("server: a:1\n");
  config::v1::Client client;
  config::Locations locations;
  ASSERT_TRUE(config::Load(good.path(), &client, &locations).ok());
  EXPECT_EQ(client.server(), "a:1");
  TempFile bad("sever: a:1\n");
  EXPECT_EQ(config::Load(bad.path(), &client, &locations).message(),
            bad.path() + ":1:1: unknown key 'sever'; did you mean 'server'?");
}

TEST(LoadTest, SaysWhyAFileCannotBeRead) {
  config::v1::Client client;
  config::Locations locations;
  absl::Status status = config::Load("/nonexistent/client.yaml", &client, &locations);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "read /nonexistent/client.yaml: No such file or directory; correct the path, or give "
            "the right one by --config");
  EXPECT_EQ(config::Load("/tmp", &client, &locations).message(),
            "read /tmp: it is a directory; give a regular file");
}

TEST(LoadTest, NeverWaitsForAFifo) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "fifo").c_str(), 0600), 0);
  config::v1::Client client;
  config::Locations locations;
  EXPECT_EQ(
      config::Load(dir / "fifo", &client, &locations),
      absl::InvalidArgumentError("read " + (dir / "fifo") + ": it is a FIFO; give a regular file"));
}

TEST(LoadTest, RefusesFilesThatAreNoConfiguration) {
  TempFile huge(std::string((1 << 20) + 1, '#'));
  config::v1::Client client;
  config::Locations locations;
  EXPECT_EQ(config::Load(huge.path(), &client, &locations).message(),
            huge.path() + ":1:1: larger than 1048576 bytes: not a configuration");
}

// The schema's own promises: every rule parses, and the skeleton that Describe prints is a
// configuration the loader takes.
template <typename T>
class SchemaTest : public ::testing::Test {};
using Schemas = ::testing::Types<config::v1::Server, config::v1::HostAgent, config::v1::Client>;
TYPED_TEST_SUITE(SchemaTest, Schemas);

TYPED_TEST(SchemaTest, TheSkeletonParses) {
  const std::string skeleton = config::Describe(TypeParam::descriptor());
  EXPECT_EQ(Complaint<TypeParam>(skeleton, "skeleton.yaml"), "") << skeleton;
}

TYPED_TEST(SchemaTest, TheSkeletonParsesWithEveryKeySwitchedOn) {
  std::string all;
  for (absl::string_view line : absl::StrSplit(config::Describe(TypeParam::descriptor()), '\n')) {
    absl::ConsumePrefix(&line, "# ");
    absl::StrAppend(&all, line, "\n");
  }
  EXPECT_EQ(Complaint<TypeParam>(all, "all.yaml"), "") << all;
}

TEST(DescribeTest, ShowsTypeRangeDefaultAndHelp) {
  const std::string text = config::Describe(config::v1::Server::descriptor());
  EXPECT_THAT(text, HasSubstr("\nmax_credit: 256KiB                      # size, 4KiB to 4MiB: "
                              "credit per channel\n"));
  EXPECT_THAT(text, HasSubstr("\n  - name: TEXT                          # text, required\n"));
  EXPECT_THAT(text, HasSubstr("\n    quality: drbg                       # one of drbg, full\n"));
  EXPECT_THAT(text, StartsWith("## Keys without a #"));
  EXPECT_THAT(text, HasSubstr("\n## true or false: accept"));
  EXPECT_THAT(text, HasSubstr("\n# allow_software: false\n"));
}

TEST(DescribeTest, NoLineIsLongerThanATerminalIsWide) {
  for (const auto* type : {config::v1::Server::descriptor(), config::v1::HostAgent::descriptor(),
                           config::v1::Client::descriptor()}) {
    const std::string text = config::Describe(type);
    for (absl::string_view line : absl::StrSplit(text, '\n')) EXPECT_LE(line.size(), 82u) << line;
  }
}

TEST(DescribeTest, AKeyWithoutADefaultIsNotShownWithTheLeastThatItTakes) {
  const std::string agent = config::Describe(config::v1::HostAgent::descriptor());
  EXPECT_THAT(agent, HasSubstr("\n#   buffer: 64KiB "));
  EXPECT_THAT(agent, HasSubstr("\n#   max_age: 30s "));
  EXPECT_THAT(agent, HasSubstr("\n#   guest_ceil: 64KiB/s\n"));
  const std::string server = config::Describe(config::v1::Server::descriptor());
  EXPECT_THAT(server, HasSubstr("  ceil: 64KiB/s\n"));
  EXPECT_THAT(server, HasSubstr("  weight: 1\n"));
  EXPECT_THAT(server, HasSubstr("\n# max_connections: 16\n")) << "no number is in every range";
}

}  // namespace
}  // namespace entropyd
