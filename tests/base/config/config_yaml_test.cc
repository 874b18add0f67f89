// Which YAML a configuration may use, and how errors are reported.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/config/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/base/config/complaints.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace entropyd
