// What is said of all keys: each kind of configuration describes itself, and takes what it says.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/config/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "proto/server_config.pb.h"
#include "tests/base/config/complaints.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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
