#include "server/config_changes.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/config/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

config::v1::Server Config(const std::string& rest, const std::string& sources = "",
                          const std::string& classes =
                              "[{name: root, rate: 1MiB/s}, {name: a, parent: root, rate: 1KiB/s}]",
                          const std::string& pool = "") {
  config::v1::Server config;
  config::Locations locations;
  const absl::Status parsed = config::Parse(
      absl::StrCat("tls: {cert: c, key: k, client_ca: a}\n", rest,
                   "sources:\n  - {name: x, driver: jitter}\n", sources,
                   "pools:\n  - {name: p, sources: [x], ", pool, "classes: ", classes, "}\n"),
      "server.yaml", &config, &locations);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return config;
}

std::vector<std::string> Changes(const config::v1::Server& before,
                                 const config::v1::Server& after) {
  std::vector<std::string> lines;
  for (const ConfigChange& change : ChangesBetween(before, after)) lines.push_back(change.Text());
  return lines;
}

TEST(ConfigChangesTest, ConfigurationsThatAreTheSameHaveNoChanges) {
  EXPECT_THAT(Changes(Config(""), Config("")), IsEmpty());
}

TEST(ConfigChangesTest, SourcesComeAndGoAndChange) {
  const auto more = Config("", "  - {name: y, driver: rdrand}\n");
  EXPECT_THAT(Changes(Config(""), more), ElementsAre("source added y"));
  EXPECT_THAT(Changes(more, Config("")), ElementsAre("source removed y"));
  const auto other = Config("", "  - {name: y, driver: rdrand, group: g, max_rate: 1KiB/s}\n");
  EXPECT_THAT(Changes(more, other), ElementsAre("source changed y: group, max_rate"));
}

TEST(ConfigChangesTest, ClassesComeAndGoAndMoveAndChange) {
  const auto before = Config("");
  const auto after = Config("", "",
                            "[{name: root, rate: 1MiB/s}, {name: b, parent: root, rate: 2KiB/s}, "
                            "{name: a, parent: b, rate: 2KiB/s, member_weight: guests}]");
  EXPECT_THAT(
      Changes(before, after),
      ElementsAre("class moved p/a: below b now",
                  "class changed p/a: rate 1KiB/s -> 2KiB/s, member_weight", "class added p/b"));
  EXPECT_THAT(Changes(after, before),
              ElementsAre("class removed p/b", "class moved p/a: below root now",
                          "class changed p/a: rate 2KiB/s -> 1KiB/s, member_weight"));
}

TEST(ConfigChangesTest, PoolsChangeApartFromTheirClasses) {
  EXPECT_THAT(Changes(Config(""), Config("", "",
                                         "[{name: root, rate: 1MiB/s}, "
                                         "{name: a, parent: root, rate: 1KiB/s}]",
                                         "quality: full, capacity: 8KiB, ")),
              ElementsAre("pool changed p: quality, capacity"));
}

TEST(ConfigChangesTest, LimitsAndSettingsTellTheirValues) {
  EXPECT_THAT(
      Changes(Config("max_agents: 5\n"), Config("max_gets: 7\nallow_recording: true\n")),
      ElementsAre("limit changed max_agents: 5 -> 10000", "limit changed max_gets: 1024 -> 7",
                  "setting changed allow_recording: false -> true"));
}

TEST(ConfigChangesTest, OnlyAddressesMemoryAndTheStateNeedARestart) {
  const auto before = Config("");
  const auto after = Config(
      "listen: 127.0.0.1:1\nmetrics: 127.0.0.1:2\nstrict_memory: true\nstate_dir: /x\n"
      "max_agents: 5\naudit_log: /y\n");
  EXPECT_THAT(RestartKeys(before, after),
              ElementsAre("listen", "metrics", "strict_memory", "state_dir"));
  EXPECT_THAT(Changes(before, after), ElementsAre("limit changed max_agents: 10000 -> 5",
                                                  "setting changed audit_log: '' -> '/y'"));
}

}  // namespace
}  // namespace entropyd
