#include "hostagent/config_changes.h"

#include <string>

#include "base/config/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kBefore[] = R"(servers: ["a:1", "b:1"]
tls: {cert: /c, key: /k, ca: /a}
listeners:
  - {path: /run/e.sock, class: default/gold, group: libvirt-qemu}
  - {listen: "127.0.0.1:7744", class: default/gold}
classes:
  default/gold: {buffer: 128KiB}
  default/old: {}
)";

config::v1::HostAgent Parsed(const std::string& text) {
  config::v1::HostAgent config;
  config::Locations locations;
  const absl::Status status = config::Parse(text, "agent.yaml", &config, &locations);
  EXPECT_TRUE(status.ok()) << status;
  return config;
}

TEST(ConfigChangesTest, TheSameFileHasNone) {
  EXPECT_THAT(ConfigChanges(Parsed(kBefore), Parsed(kBefore)), IsEmpty());
}

TEST(ConfigChangesTest, EachKeyAndElementThatDiffersIsALine) {
  const config::v1::HostAgent after = Parsed(R"(servers: ["b:1", "a:1"]
tls: {cert: /c2, key: /k, ca: /a}
listeners:
  - {listen: "127.0.0.1:7744", class: default/gold}
  - {fifo: /run/e.fifo, class: default/gold}
  - {path: /run/e.sock, class: default/bulk}
classes:
  default/gold: {buffer: 64KiB}
  default/new: {}
max_guests: 500
feed_kernel: {class: default/gold}
)");
  EXPECT_THAT(ConfigChanges(Parsed(kBefore), after),
              testing::UnorderedElementsAre(
                  "servers changed", "tls.cert changed", "listeners[/run/e.sock].group changed",
                  "listeners[/run/e.sock].class changed", "listeners[/run/e.fifo] added",
                  "classes[default/gold].buffer changed", "classes[default/old] removed",
                  "classes[default/new] added", "max_guests changed", "feed_kernel.class changed",
                  "feed_kernel.bytes changed", "feed_kernel.every changed"));
}

TEST(ConfigChangesTest, TheyComeInTheOrderOfTheKeys) {
  config::v1::HostAgent after = Parsed(kBefore);
  after.set_max_guests(7);
  after.set_servers(0, "c:1");
  EXPECT_THAT(ConfigChanges(Parsed(kBefore), after),
              ElementsAre("servers changed", "max_guests changed"));
}

}  // namespace
}  // namespace entropyd
