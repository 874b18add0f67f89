#include "client/demo/demo_plan.h"

#include <sys/stat.h>

#include "base/config/config.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename Message>
Message Parsed(const std::string& yaml) {
  Message message;
  config::Locations locations;
  const absl::Status status = config::Parse(yaml, "demo.yaml", &message, &locations);
  EXPECT_TRUE(status.ok()) << status << "\n" << yaml;
  return message;
}

DemoSources Both() {
  DemoSources sources;
  sources.hwrng = sources.rdrand = true;
  return sources;
}

TEST(DemoPlanTest, TheServerUsesTheGeneratorsThatAreThere) {
  const auto server = Parsed<config::v1::Server>(DemoServerYaml(DemoPaths("/tmp/d"), Both()));
  ASSERT_EQ(server.sources_size(), 2);
  EXPECT_EQ(server.sources(0).driver(), "char_device");
  EXPECT_EQ(server.sources(0).path(), "/dev/hwrng");
  EXPECT_EQ(server.sources(1).driver(), "rdrand");
  EXPECT_FALSE(server.allow_software());
  ASSERT_EQ(server.pools_size(), 1);
  EXPECT_EQ(server.pools(0).quality(), config::v1::POOL_QUALITY_DRBG);
  EXPECT_EQ(server.pools(0).sources_size(), 2);
}

TEST(DemoPlanTest, OneGeneratorIsEnoughToLeaveSoftwareOut) {
  DemoSources sources;
  sources.rdrand = true;
  const auto server = Parsed<config::v1::Server>(DemoServerYaml(DemoPaths("/tmp/d"), sources));
  ASSERT_EQ(server.sources_size(), 1);
  EXPECT_EQ(server.sources(0).driver(), "rdrand");
  EXPECT_FALSE(server.allow_software());
}

TEST(DemoPlanTest, WithoutAnyGeneratorSoftwareIsAllowedAndSaidLoudly) {
  const auto server =
      Parsed<config::v1::Server>(DemoServerYaml(DemoPaths("/tmp/d"), DemoSources()));
  ASSERT_EQ(server.sources_size(), 1);
  EXPECT_EQ(server.sources(0).driver(), "getrandom");
  EXPECT_TRUE(server.allow_software());
  EXPECT_THAT(DescribeDemoSources(DemoSources()), HasSubstr("SOFTWARE ONLY"));
  EXPECT_THAT(DescribeDemoSources(Both()), Not(HasSubstr("SOFTWARE")));
}

TEST(DemoPlanTest, TheClassHasNoCeilingAndListensOnLoopbackOnly) {
  const auto server = Parsed<config::v1::Server>(DemoServerYaml(DemoPaths("/tmp/d"), Both()));
  ASSERT_GT(server.pools(0).classes_size(), 0);
  for (const auto& one : server.pools(0).classes()) EXPECT_EQ(one.ceil(), 0u) << one.name();
  EXPECT_EQ(server.listen(), "127.0.0.1:0");
  EXPECT_EQ(server.metrics(), "127.0.0.1:0");
}

TEST(DemoPlanTest, AgentAndClientFindTheServerAndOneAnother) {
  const DemoPaths paths("/tmp/d");
  const auto agent = Parsed<config::v1::HostAgent>(DemoAgentYaml(paths, 4711, 4712));
  const auto client = Parsed<config::v1::Client>(DemoClientYaml(paths, 4711));
  ASSERT_EQ(agent.servers_size(), 1);
  EXPECT_EQ(agent.servers(0), "127.0.0.1:4711");
  EXPECT_EQ(client.server(), "127.0.0.1:4711");
  EXPECT_EQ(agent.metrics(), "127.0.0.1:4712");
  EXPECT_EQ(agent.control(), client.control());
  ASSERT_EQ(agent.listeners_size(), 1);
  EXPECT_EQ(agent.listeners(0).path(), "/tmp/d/egd.sock");
  EXPECT_EQ(agent.listeners(0).class_(), kDemoClass);
  EXPECT_EQ(agent.listeners(0).clients(), config::v1::CLIENTS_AUTO);
  EXPECT_EQ(client.class_(), kDemoClass);
}

TEST(DemoPlanTest, ADirectoryWithBlanksAndQuotesSurvivesYaml) {
  const DemoPaths paths("/tmp/a \"b\": {c}");
  const auto agent = Parsed<config::v1::HostAgent>(DemoAgentYaml(paths, 1, 0));
  EXPECT_EQ(agent.listeners(0).path(), "/tmp/a \"b\": {c}/egd.sock");
}

TEST(DemoPlanTest, APathTooLongForASocketIsRefusedAndTheLongestIsNot) {
  const std::string longest(107 - std::string("/agent.sock").size(), 'x');
  EXPECT_TRUE(DemoPaths(longest).Check().ok());
  const absl::Status status = DemoPaths(longest + "x").Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--dir"));
}

TEST(DemoPlanTest, APathThatCannotBeShownIsRefused) {
  EXPECT_TRUE(DemoPaths("/tmp/a,b é #x").Check().ok());
  for (const char* path : {"/tmp/a\nb", "/tmp/a\xff"}) {
    const absl::Status status = DemoPaths(path).Check();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("choose another --dir"));
  }
}

TEST(DemoPlanTest, ADirectoryThatEverybodyMayWriteIsRefused) {
  const TempDir dir;
  ASSERT_EQ(mkdir((dir / "open").c_str(), 0700), 0);
  EXPECT_TRUE(DemoPaths(dir / "open/new").CheckPlace().ok());
  ASSERT_EQ(chmod((dir / "open").c_str(), 0777), 0);
  for (const char* name : {"open", "open/new/newer"}) {
    const absl::Status status = DemoPaths(dir / name).CheckPlace();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr("choose another --dir"));
  }
  ASSERT_EQ(chmod((dir / "open").c_str(), 01777), 0);
  EXPECT_TRUE(DemoPaths(dir / "open/new").CheckPlace().ok());
}

TEST(DemoPlanTest, PortsAreReadByName) {
  EXPECT_EQ(PortNamed("grpc=1234\nhttp=80\n", "grpc"), 1234);
  EXPECT_EQ(PortNamed("grpc=1234\nhttp=80\n", "http"), 80);
  EXPECT_EQ(PortNamed("grpc=70000\n", "grpc"), 0);
  EXPECT_EQ(PortNamed("grpc=x\n", "grpc"), 0);
  EXPECT_EQ(PortNamed("", "grpc"), 0);
}

TEST(DemoPlanTest, PastedLinesCarryTheSocketAndReconnect) {
  EXPECT_THAT(QemuOptions("/run/e.sock", "reconnect=1"),
              HasSubstr("path=/run/e.sock,reconnect=1 -object"));
  EXPECT_THAT(QemuOptions("/a b,c/e.sock", "reconnect=1"),
              HasSubstr("-chardev 'socket,id=egd,path=/a b,,c/e.sock,reconnect=1' -object"));
  EXPECT_THAT(LibvirtXml("/it's&/e.sock"), HasSubstr("path='/it&apos;s&amp;/e.sock'"));
  EXPECT_THAT(LibvirtXml("/run/e.sock"), HasSubstr("path='/run/e.sock'"));
  EXPECT_THAT(LibvirtXml("/run/e.sock"), HasSubstr("<reconnect enabled='yes' timeout='1'/>"));
}

}  // namespace
}  // namespace entropyd
