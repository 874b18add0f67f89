// Which files are read as a configuration.
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "base/config/config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/agent_config.pb.h"
#include "proto/client_config.pb.h"
#include "tests/base/config/complaints.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

TEST(ConfigTest, AFileWithoutANameIsToldSo) {
  config::v1::Client client;
  EXPECT_EQ(config::Load("", &client, nullptr),
            absl::InvalidArgumentError("read the configuration: the name of its file is empty"));
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
            "read /nonexistent/client.yaml: No such file or directory; correct the path");
  EXPECT_EQ(config::OrGive(status, "--config").message(),
            "read /nonexistent/client.yaml: No such file or directory; correct the path, or give "
            "the right one by --config");
  EXPECT_EQ(config::OrGive(absl::InvalidArgumentError("x"), "--config").message(), "x");
  EXPECT_EQ(config::Load("/tmp", &client, &locations).message(),
            "read /tmp: it is a directory; give a regular file");
}

TEST(LoadTest, AFileOfAnotherProgramIsToldAsOne) {
  constexpr char kMeant[] = "this looks like agent.yaml; entropyctl reads client.yaml";
  const TempFile agents(
      "servers: [\"a:1\"]\ntls: {cert: c, key: k, ca: a}\n"
      "listeners:\n  - {path: /run/e.sock, class: default/gold}\n");
  config::v1::Client client;
  config::v1::HostAgent agent;
  const absl::Status loaded = config::Load(agents.path(), &client, nullptr);
  ASSERT_FALSE(loaded.ok());
  const absl::Status told = config::OrMeant(loaded, agents.path(), &agent, kMeant);
  EXPECT_EQ(told.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(told.message(), agents.path() + ": " + kMeant + "\n" + std::string(loaded.message()));
  const TempFile nobodys("nonsense: 1\n");
  const absl::Status wrong = config::Load(nobodys.path(), &client, nullptr);
  EXPECT_EQ(config::OrMeant(wrong, nobodys.path(), &agent, kMeant), wrong);
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

}  // namespace
}  // namespace entropyd
