#include "client/client_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

class ClientConfigTest : public testing::Test {
 protected:
  ClientConfigTest() { Write(""); }

  void Write(const std::string& text) { std::ofstream(file_) << text; }
  absl::StatusOr<config::v1::Client> Load(const std::string& default_file = "/nonexistent/c.yaml") {
    return LoadClientConfig(
        flags_,
        [this](const char* name) -> const char* {
          auto it = environment_.find(name);
          return it == environment_.end() ? nullptr : it->second.c_str();
        },
        default_file);
  }

  const TempDir dir_;
  const std::string file_ = dir_ / "client.yaml";
  ClientFlags flags_;
  std::map<std::string, std::string> environment_;
};

constexpr char kFile[] =
    "server: file:1\n"
    "tls: {cert: file.crt, key: file.key, ca: file.ca, server_name: file.name}\n"
    "control: /file.sock\n"
    "class: file/class\n";

TEST_F(ClientConfigTest, WithoutAnythingTheDefaultsHold) {
  const auto client = Load();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->server(), "localhost:7743");
  EXPECT_EQ(client->control(), "/run/entropyd/agent.sock");
  EXPECT_EQ(client->class_(), "");
  EXPECT_FALSE(client->has_tls());
}

TEST_F(ClientConfigTest, TheDefaultFileIsReadWhenItExists) {
  Write(kFile);
  const auto client = Load(file_);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->server(), "file:1");
  EXPECT_EQ(client->tls().server_name(), "file.name");
}

TEST_F(ClientConfigTest, AVariableWinsOverTheFileAndAFlagOverBoth) {
  Write(kFile);
  flags_.config = file_;
  environment_ = {{"ENTROPYD_SERVER", "env:1"},         {"ENTROPYD_CERT", "env.crt"},
                  {"ENTROPYD_KEY", "env.key"},          {"ENTROPYD_CA", "env.ca"},
                  {"ENTROPYD_SERVER_NAME", "env.name"}, {"ENTROPYD_CONTROL", "/env.sock"},
                  {"ENTROPYD_CLASS", "env/class"}};
  auto client = Load();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->server(), "env:1");
  EXPECT_EQ(client->tls().cert(), "env.crt");
  EXPECT_EQ(client->tls().key(), "env.key");
  EXPECT_EQ(client->tls().ca(), "env.ca");
  EXPECT_EQ(client->tls().server_name(), "env.name");
  EXPECT_EQ(client->control(), "/env.sock");
  EXPECT_EQ(client->class_(), "env/class");

  flags_ = {file_,     "flag:1",    "flag.crt",   "flag.key",
            "flag.ca", "flag.name", "/flag.sock", "flag/c"};
  client = Load();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->server(), "flag:1");
  EXPECT_EQ(client->tls().cert(), "flag.crt");
  EXPECT_EQ(client->tls().key(), "flag.key");
  EXPECT_EQ(client->tls().ca(), "flag.ca");
  EXPECT_EQ(client->tls().server_name(), "flag.name");
  EXPECT_EQ(client->control(), "/flag.sock");
  EXPECT_EQ(client->class_(), "flag/c");
}

TEST_F(ClientConfigTest, AnEmptyVariableIsNotSet) {
  Write(kFile);
  environment_ = {{"ENTROPYD_CONFIG", file_}, {"ENTROPYD_SERVER", ""}};
  const auto client = Load();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->server(), "file:1");
}

TEST_F(ClientConfigTest, AFileThatWasAskedForMustExist) {
  flags_.config = "/nonexistent/client.yaml";
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
  flags_.config.clear();
  environment_["ENTROPYD_CONFIG"] = "/nonexistent/client.yaml";
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
}

// The packages make its folder for root alone.
TEST_F(ClientConfigTest, WhoSaysWhomToAskNeedNotReadTheDefaultFile) {
  ASSERT_EQ(geteuid(), 0u) << "only root can become somebody else; run the test as root";
  Write(kFile);
  ASSERT_EQ(chmod(file_.c_str(), 0600), 0);
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(seteuid(kNobody), 0);
  const auto refused = Load(file_);
  flags_.server = "flag:3";
  const auto told = Load(file_);
  flags_.config = file_;
  const auto asked_for = Load(file_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status())) << refused.status();
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->server(), "flag:3");
  EXPECT_FALSE(told->has_tls());
  EXPECT_TRUE(absl::IsPermissionDenied(asked_for.status())) << asked_for.status();
}

TEST_F(ClientConfigTest, AMistakeInTheFileIsNamedWithItsPlace) {
  Write("server: file:1\nsevrer: x\n");
  const absl::Status status = Load(file_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(file_ + ":2:1"), absl::string_view::npos) << status;
}

TEST_F(ClientConfigTest, AServerWithoutAPortIsNamedWithItsPlace) {
  Write("server: https://host:7743\n");
  EXPECT_EQ(Load(file_).status(),
            absl::InvalidArgumentError(file_ + ":1:9: server: 'https://host:7743' is no address; "
                                               "write HOST:PORT or [IPV6]:PORT"));
  environment_["ENTROPYD_SERVER"] = "host";
  EXPECT_EQ(Load(file_).status(),
            absl::InvalidArgumentError("ENTROPYD_SERVER: 'host' is no address; write HOST:PORT or "
                                       "[IPV6]:PORT"));
  flags_.server = "host:0";
  EXPECT_EQ(Load(file_).status(),
            absl::InvalidArgumentError("--server: 'host:0' has no port; write HOST:PORT with the "
                                       "port of the other side"));
  flags_.server = "host:1";
  EXPECT_EQ(Load(file_).value().server(), "host:1") << "nobody asks for the file's";
}

TEST_F(ClientConfigTest, AVariableThatIsNoTextIsNamed) {
  environment_["ENTROPYD_CLASS"] = "w\xff";
  EXPECT_EQ(Load().status(), absl::InvalidArgumentError("ENTROPYD_CLASS: 'w\\xff' is not UTF-8"));
  flags_.pool_class = "default/gold";
  EXPECT_TRUE(Load().ok());
}

TEST_F(ClientConfigTest, AFileThatIsMissingIsNamedWithWhereItsNameComesFrom) {
  const std::string missing =
      "read /nonexistent/x: No such file or directory; correct the path, or give the right one by "
      "--config";
  environment_["ENTROPYD_CONFIG"] = "/nonexistent/x";
  EXPECT_EQ(Load().status().message(), "ENTROPYD_CONFIG: " + missing);
  flags_.config = "/nonexistent/x";
  EXPECT_EQ(Load().status().message(), missing);
}

}  // namespace
}  // namespace entropyd
