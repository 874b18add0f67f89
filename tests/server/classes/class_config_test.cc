#include "server/classes/class_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server whose two pools hold these classes in YAML flow style, one class per line from line 6
// on.
class ClassConfigTest : public ::testing::Test {
 protected:
  void Load(const std::vector<std::string>& classes, const std::string& pool_keys = "") {
    std::string text = absl::StrCat(
        "tls: {cert: c, key: k, client_ca: a}\n"
        "sources: [{name: trng0, driver: char_device, path: /dev/hwrng}]\n"
        "pools:\n"
        "  - {name: spare, sources: [trng0], classes: [{name: only, rate: 1KiB/s}]}\n"
        "  - name: default\n"
        "    classes:\n");
    for (const std::string& c : classes) absl::StrAppend(&text, "      - ", c, "\n");
    absl::StrAppend(&text, "    sources: [trng0]\n", pool_keys);
    const absl::Status status = config::Parse(text, "server.yaml", &config_, &locations_);
    ASSERT_TRUE(status.ok()) << status << "\n" << text;
  }
  absl::StatusOr<std::vector<ClassTree::ClassSpec>> Specs() {
    return ClassSpecs(config_.pools(1), 1, locations_);
  }
  std::string Complaint() { return std::string(Specs().status().message()); }

  config::v1::Server config_;
  config::Locations locations_;
};

TEST_F(ClassConfigTest, EachKeyReachesTheTree) {
  Load(
      {"{name: root, rate: 10MiB/s, ceil: 20MiB/s}",
       "{name: gold, parent: root, rate: 4MiB/s, ceil: 20MiB/s, burst: 1MiB, cburst: 2MiB, weight: "
       "4, prio: 2}"});
  const auto specs = Specs();
  ASSERT_TRUE(specs.ok()) << specs.status();
  ASSERT_EQ(specs->size(), 2u);
  EXPECT_EQ((*specs)[0].name, "root");
  EXPECT_EQ((*specs)[0].parent, "");
  const ClassTree::ClassSpec& gold = (*specs)[1];
  EXPECT_EQ(gold.name, "gold");
  EXPECT_EQ(gold.parent, "root");
  EXPECT_EQ(gold.rate, 4u << 20);
  EXPECT_EQ(gold.ceil, 20u << 20);
  EXPECT_EQ(gold.burst, 1u << 20);
  EXPECT_EQ(gold.cburst, 2u << 20);
  EXPECT_EQ(gold.weight, 4);
  EXPECT_EQ(gold.prio, 2u);
}

TEST_F(ClassConfigTest, AnAbsentCeilIsNone) {
  Load({"{name: root, rate: 1MiB/s}"});
  EXPECT_EQ(Specs().value()[0].ceil, ClassTree::kUnlimited);
}

TEST_F(ClassConfigTest, ErrorsPointAtTheClassInTheFile) {
  Load({"{name: root, rate: 10MiB/s}", "{name: gold, parent: root, rate: 4MiB/s, ceil: 1MiB/s}"});
  EXPECT_EQ(Specs().status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      Complaint(),
      AllOf(StartsWith("server.yaml:8:"), HasSubstr("pools[1].classes[1]"),
            HasSubstr("class 'gold': ceil 1MiB/s is below the rate 4MiB/s; raise the ceil")));
}

TEST_F(ClassConfigTest, ATreeWithoutARootPointsAtTheClasses) {
  Load({"{name: a, parent: b, rate: 1KiB/s}", "{name: b, parent: a, rate: 1KiB/s}"});
  EXPECT_THAT(Complaint(), AllOf(StartsWith("server.yaml:6:"), HasSubstr("pools[1].classes"),
                                 HasSubstr("no root")));
}

TEST_F(ClassConfigTest, NamesThatCannotBeAddressedAreRefused) {
  for (const char* name : {"\"a/b\"", "\"*\"", "\"a b\"", "\"größe\"", "\"a/b *\""}) {
    Load({absl::StrCat("{name: ", name, ", rate: 1KiB/s}")});
    EXPECT_THAT(Complaint(), AllOf(StartsWith("server.yaml:7:"), HasSubstr("no class name")));
  }
  Load({"{name: größe, rate: 1KiB/s}"});
  EXPECT_THAT(Complaint(), HasSubstr("'größe' has the character 'ö'"));
  Load({absl::StrCat("{name: ", std::string(257, 'a'), ", rate: 1KiB/s}")});
  EXPECT_THAT(Complaint(), HasSubstr("(257 bytes) is longer than 256 bytes"));
}

TEST_F(ClassConfigTest, TheSmallestBurstFollowsTheQualitysChunk) {
  const std::vector<std::string> classes = {"{name: root, rate: 1KiB/s, burst: 1KiB}"};
  Load(classes, "    quality: full\n");
  EXPECT_TRUE(Specs().ok()) << Specs().status();  // 4 chunks of 256 B
  Load(classes, "    quality: drbg\n");
  EXPECT_THAT(Complaint(), HasSubstr("burst 1KiB is below 4KiB"));
}

TEST_F(ClassConfigTest, EveryRuleOfAClassIsRefusedWithPlaceClassValueAndRemedy) {
  struct Rule {
    const char* root;
    const char* gold;
    const char* complaint;
  };
  const std::vector<Rule> rules = {
      {"rate: 3MiB/s", "rate: 4MiB/s",
       "server.yaml:7:.*class 'root': rate 3MiB/s is below .* 4MiB/s; raise it, lower theirs"},
      {"rate: 9MiB/s", "rate: 4MiB/s, ceil: 1MiB/s",
       "server.yaml:8:.*class 'gold': ceil 1MiB/s is below the rate 4MiB/s; raise the ceil"},
      {"rate: 9MiB/s", "weight: 1", "server.yaml:8:.*class 'gold': rate 0 .*; guarantee it a rate"},
      {"rate: 9MiB/s", "rate: 4MiB/s, burst: 5KiB",
       "server.yaml:8:.*class 'gold': burst 5KiB is below 41944B, .* 10 ms at the rate 4MiB/s; "
       "raise"},
      {"rate: 9MiB/s", "rate: 1KiB/s, burst: 1KiB",
       "server.yaml:8:.*class 'gold': burst 1KiB is below 4KiB, the larger of 4 chunks .*; raise "
       "it"},
      {"rate: 9MiB/s", "rate: 1KiB/s, ceil: 4MiB/s, cburst: 5KiB",
       "server.yaml:8:.*class 'gold': cburst 5KiB is below 41944B, .* the ceil 4MiB/s; raise it"},
  };
  for (const Rule& rule : rules) {
    Load({absl::StrCat("{name: root, ", rule.root, "}"),
          absl::StrCat("{name: gold, parent: root, ", rule.gold, "}")});
    EXPECT_THAT(Complaint(), ::testing::ContainsRegex(rule.complaint));
  }
}

TEST_F(ClassConfigTest, LeavesAreNamedInTheOrderOfTheFile) {
  Load({"{name: z, parent: mid, rate: 1KiB/s}", "{name: root}", "{name: mid, parent: root}",
        "{name: a, parent: root, rate: 1KiB/s}"});
  EXPECT_THAT(LeafNames(config_), ElementsAre("spare/only", "default/z", "default/a"));
}

}  // namespace
}  // namespace entropyd
