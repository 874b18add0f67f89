#include "base/config/warnings.h"

#include <sys/stat.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/client_config.pb.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class WarningsTest : public ::testing::Test {
 protected:
  WarningsTest() {
    config::v1::Client client;
    const absl::Status parsed = config::Parse("server: a:1\ntls: {key: k, cert: c, ca: a}\n",
                                              "client.yaml", &client, &locations_);
    EXPECT_TRUE(parsed.ok()) << parsed;
  }

  config::Locations locations_;
  config::Warnings warnings_{&locations_};
};

TEST_F(WarningsTest, ALineHasThePlaceTheKeyAndTheMessageInTheOrderOfTheirComing) {
  warnings_.Add("tls.key", "is odd");
  warnings_.Add("server", "is odd, too");
  EXPECT_THAT(warnings_.Take(), ElementsAre("client.yaml:2:12: tls.key: is odd",
                                            "client.yaml:1:9: server: is odd, too"));
}

TEST_F(WarningsTest, OfAKeyThatNobodyHasWrittenThereIsNoWarning) {
  warnings_.AddForKey("control", "does nothing");
  warnings_.AddForKey("server", "does nothing");
  EXPECT_THAT(warnings_.Take(), ElementsAre("client.yaml:1:9: server: does nothing"));
}

TEST_F(WarningsTest, APrivateKeyThatEverybodyMayReadIsTold) {
  const TempDir dir;
  const std::string key = dir / "k";
  std::ofstream(key) << "secret";
  ASSERT_EQ(chmod(key.c_str(), 0640), 0);
  warnings_.LookAtPrivateKey("tls.key", key);
  warnings_.LookAtPrivateKey("tls.key", dir / "absent");
  ASSERT_EQ(chmod(key.c_str(), 0644), 0);
  warnings_.LookAtPrivateKey("tls.key", key);
  EXPECT_THAT(warnings_.Take(),
              ElementsAre(StartsWith("client.yaml:2:12: tls.key: everybody may read " + key)));
}

TEST_F(WarningsTest, AShareThatIsAboveTheWholeDoesNothing) {
  warnings_.LookAtShare("server", 10, "control", 10, "guests");
  EXPECT_THAT(config::Warnings(warnings_).Take(), IsEmpty());
  warnings_.LookAtShare("server", 11, "control", 10, "guests");
  warnings_.LookAtShare("control", 11, "server", 10, "guests");  // nobody has written it
  EXPECT_THAT(warnings_.Take(),
              ElementsAre(HasSubstr(
                  ": server: does nothing above control (10), which all guests share; lower it")));
}

}  // namespace
}  // namespace entropyd
