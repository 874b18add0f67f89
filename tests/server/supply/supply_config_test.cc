#include "server/supply/supply_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class SupplyPlanTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0600), 0); }

  // One pool of all sources, which are lines "{name: a, path: /x}" of driver char_device.
  SupplyPlan Plan(const std::vector<std::string>& sources,
                  const std::vector<RunningSource>& running = {}) {
    std::string yaml = "tls: {cert: c, key: k, client_ca: a}\nsources:\n", names;
    for (const std::string& keys : sources) {
      absl::StrAppend(&yaml, "  - {driver: char_device, ", keys, "}\n");
      absl::StrAppend(&names, names.empty() ? "" : ", ", keys.substr(6, 1));
    }
    absl::StrAppend(&yaml, "pools:\n  - {name: default, sources: [", names,
                    "], classes: [{name: root, rate: 1MiB/s}]}\n");
    config_.Clear();
    config::Locations locations;
    const absl::Status parsed = config::Parse(yaml, "server.yaml", &config_, &locations);
    EXPECT_TRUE(parsed.ok()) << parsed;
    absl::StatusOr<SupplyPlan> plan = PlanSupply(config_, locations, running);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return *std::move(plan);
  }
  // Why there is no plan with such a source; "" = there is one.
  std::string Fault(const std::string& keys) {
    const std::string yaml = absl::StrCat(
        "tls: {cert: c, key: k, client_ca: a}\nallow_software: true\nsources:\n  - {driver: "
        "char_device, path: /dev/no-such, ",
        keys,
        "}\n  - {driver: getrandom, name: kernel}\npools:\n  - {name: default, sources: [kernel], "
        "classes: [{name: root, rate: 1MiB/s}]}\n");
    config::Locations locations;
    const absl::Status parsed = config::Parse(yaml, "server.yaml", &config_, &locations);
    if (!parsed.ok()) return std::string(parsed.message());
    return std::string(PlanSupply(config_, locations).status().message());
  }
  // As if the sources of the last plan ran.
  std::vector<RunningSource> Running(const SupplyPlan& plan) const {
    std::vector<RunningSource> running;
    for (const SourcePlan& source : plan.sources) {
      running.push_back({config_.sources(source.index), source.spec});
    }
    return running;
  }
  std::string Fifo(const char* name, const char* more = "") {
    return absl::StrCat("name: ", name, ", path: ", dir_ / "fifo", more);
  }

  TempDir dir_;
  config::v1::Server config_;
};

TEST_F(SupplyPlanTest, TheOperatorsFiguresReplaceTheClaimsOfTheDriver) {
  const SourceClaims usual = Plan({Fifo("a")}).sources[0].spec.identity.claims;
  const SourceClaims set =
      Plan({Fifo("a",
                 ", silence: 30s, group: board, min_entropy_bits_per_byte: 1.5, "
                 "health_min_entropy_bits_per_byte: 3")})
          .sources[0]
          .spec.identity.claims;
  EXPECT_EQ(set.silence_nanos, 30 * kSecondNanos);
  EXPECT_NE(usual.silence_nanos, set.silence_nanos);
  EXPECT_EQ(set.group, "board");
  EXPECT_EQ(set.min_entropy, 1.5);
  EXPECT_EQ(set.health_min_entropy, 3);
}

constexpr char kAway[] = "name: a, path: /dev/no-such";

TEST_F(SupplyPlanTest, ASourceWhoseDeviceIsAwayGoesOnWithItsClaims) {
  std::vector<RunningSource> running = Running(Plan({kAway}));
  // It was a better one when it was there.
  running[0].spec.identity.claims.min_entropy = 2;
  running[0].spec.identity.claims.group = "shared";
  running[0].spec.own_group = "board";
  running[0].spec.identity.root = "device 188:0";
  const SupplyPlan plan = Plan({kAway}, running);
  EXPECT_TRUE(plan.sources[0].stays);
  EXPECT_EQ(plan.sources[0].spec.identity.claims.min_entropy, 2);
  EXPECT_EQ(plan.pools[0].members[0].min_entropy, 2);
  EXPECT_EQ(plan.pools[0].members[0].group, "board");
  EXPECT_EQ(plan.pools[0].members[0].root, "device 188:0");
}

TEST_F(SupplyPlanTest, ADeviceThatIsCertainlyAnotherOneIsAnotherSource) {
  std::vector<RunningSource> running = Running(Plan({Fifo("a")}));
  EXPECT_TRUE(Plan({Fifo("a")}, running).sources[0].stays);
  running[0].spec.identity.claims.min_entropy = 1;
  const SupplyPlan plan = Plan({Fifo("a")}, running);
  EXPECT_FALSE(plan.sources[0].stays);
  EXPECT_EQ(plan.pools[0].members[0].min_entropy, 4);
  running = Running(plan);
  running[0].spec.own_group = "host";
  EXPECT_FALSE(Plan({Fifo("a")}, running).sources[0].stays);
  running = Running(plan);
  running[0].spec.identity.nature = SourceIdentity::Nature::kBorrowed;
  EXPECT_FALSE(Plan({Fifo("a")}, running).sources[0].stays);
}

TEST_F(SupplyPlanTest, ASourceWithOtherKeysIsAnotherSourceAlsoWhileItsDeviceIsAway) {
  const std::vector<RunningSource> running = Running(Plan({kAway}));
  EXPECT_FALSE(Plan({absl::StrCat(kAway, ", max_rate: 1KiB/s")}, running).sources[0].stays);
}

TEST_F(SupplyPlanTest, TheGroupThatKinGaveASourceIsNotItsOwn) {
  const std::string a = Fifo("a", ", group: x"), b = Fifo("b", ", group: y");
  const SupplyPlan both = Plan({a, b});
  ASSERT_EQ(both.pools[0].members[1].group, "x") << "they are one device";
  const SupplyPlan alone = Plan({b}, Running(both));
  EXPECT_TRUE(alone.sources[0].stays);
  EXPECT_EQ(alone.pools[0].members[0].group, "y");
}

TEST_F(SupplyPlanTest, NamesOfSourcesAndGroupsAreThoseThatALogLineCanHold) {
  const std::pair<const char*, const char*> refused[] = {
      {"name: \"a b\"", "sources[0].name: no source name: 'a b' has the character ' '"},
      {"name: \"a/b\"", "sources[0].name: no source name: 'a/b' has the character '/'"},
      {"name: größe", "sources[0].name: no source name: 'größe' has the character 'ö'"},
      {"name: a, group: \"two words\"", "sources[0].group: no group name: 'two words' has the"}};
  for (const auto& [keys, expected] : refused) {
    EXPECT_THAT(Fault(keys), testing::HasSubstr(expected)) << keys;
  }
  EXPECT_EQ(Fault("name: trng-0.a_b, group: board"), "");
  EXPECT_EQ(Fault("name: a, group: /dev/hwrng"), "") << "the group of another source";
  EXPECT_EQ(Fault("name: a, group: \"pkcs11:entropy\""), "") << "as above";
}

}  // namespace
}  // namespace entropyd
