#include "server/driver/egd_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <vector>

#include "absl/time/clock.h"
#include "base/process/fd.h"
#include "tests/server/driver/fake_egd_server.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

TEST(EgdDriverTest, AsksForNoMoreThanOneByteCanSay) {
  TempDir directory;
  FakeEgdServer server(directory / "egd.sock");
  EgdDriver driver(server.path(), "");
  ASSERT_TRUE(driver.Open().ok());
  std::vector<uint8_t> bytes(4096);
  size_t got = 0;
  while (got < 1000) got += driver.Read(absl::MakeSpan(bytes)).value();
  EXPECT_EQ(server.largest_request(), 255);
}

TEST(EgdDriverTest, AnswerThatIsCutOffIsAnErrorThatSaysHowMuchIsOwed) {
  TempDir directory;
  FakeEgdServer server(directory / "egd.sock");
  server.SetMode(FakeEgdServer::Mode::kHangUp);
  EgdDriver driver(server.path(), "");
  ASSERT_TRUE(driver.Open().ok());
  uint8_t bytes[64];
  absl::StatusOr<size_t> n = size_t{0};
  while (n.ok()) n = driver.Read(absl::MakeSpan(bytes));
  EXPECT_TRUE(absl::IsUnavailable(n.status()));
  EXPECT_THAT(std::string(n.status().message()), HasSubstr("hung up while it owed 32 bytes"));
}

TEST(EgdDriverTest, AByteThatNobodyAskedForEndsTheConnection) {
  TempDir directory;
  FakeEgdServer server(directory / "egd.sock");
  server.SetMode(FakeEgdServer::Mode::kTooMuch);
  EgdDriver driver(server.path(), "");
  ASSERT_TRUE(driver.Open().ok());
  uint8_t bytes[32];
  size_t got = 0;
  absl::StatusOr<size_t> n = size_t{0};
  while (n.ok() && got <= sizeof bytes) {
    n = driver.Read(absl::MakeSpan(bytes));
    if (n.ok()) got += *n;
  }
  EXPECT_EQ(got, sizeof bytes);
  EXPECT_TRUE(absl::IsUnavailable(n.status())) << n.status();
  EXPECT_THAT(std::string(n.status().message()), HasSubstr("sent more than it was asked for"));
}

TEST(EgdDriverTest, AnswerToAnEarlierConnectionIsNeverTakenForTheNext) {
  TempDir directory;
  FakeEgdServer server(directory / "egd.sock");
  server.SetMode(FakeEgdServer::Mode::kSilent);
  EgdDriver driver(server.path(), "");
  ASSERT_TRUE(driver.Open().ok());
  uint8_t bytes[200];
  EXPECT_EQ(driver.Read(absl::MakeSpan(bytes)).value(), 0u) << "200 bytes are owed now";
  driver.Close();
  ASSERT_TRUE(driver.Open().ok());
  server.SetMode(FakeEgdServer::Mode::kHonest);
  size_t got = 0;
  const absl::Time end = absl::Now() + absl::Minutes(1);
  while (got == 0 && absl::Now() < end) got = driver.Read(absl::MakeSpan(bytes, 8)).value();
  ASSERT_GT(got, 0u) << "it waits for what the first connection owed";
  // If 200 bytes of the first request were still to come, the next request would find them.
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(driver.Read(absl::MakeSpan(bytes, 8)).ok());
  EXPECT_EQ(server.connections(), 2);
}

TEST(EgdDriverTest, WhatCanBeReadOnItsWayIsWorthNothing) {
  config::v1::SourceConfig config;
  config.set_address("192.0.2.7:8888");
  EXPECT_EQ(EgdDriver::Check(config).key, nullptr);
  config.set_min_entropy_bits_per_byte(1);
  EXPECT_STREQ(EgdDriver::Check(config).key, "min_entropy_bits_per_byte");
  config.set_address("127.0.0.1:8888");
  EXPECT_EQ(EgdDriver::Check(config).key, nullptr);
}

TEST(EgdDriverTest, MissingDaemonIsNotFoundAndADeadOnesSocketUnavailable) {
  TempDir directory;
  EXPECT_TRUE(absl::IsNotFound(EgdDriver(directory / "none.sock", "").Open().status()));
  UniqueFd stale(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  const std::string path = directory / "stale.sock";
  std::memcpy(at.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(stale.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)), 0);
  stale.reset();
  const absl::Status refused = EgdDriver(path, "").Open().status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("stale.sock: Connection refused"));
}

TEST(EgdDriverTest, ALookSaysThatTheSocketIsMissingOrIsNone) {
  config::v1::SourceConfig config;
  config.set_path("/no/such/socket");
  EXPECT_THAT(EgdDriver::Look(config).message, HasSubstr("No such file or directory; correct the"));
  config.set_path("/etc/passwd");
  EXPECT_THAT(EgdDriver::Look(config).message, HasSubstr("it is no socket; name that of the"));
}

}  // namespace
}  // namespace entropyd
