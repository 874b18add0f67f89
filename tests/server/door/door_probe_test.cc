#include "server/door/door_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <thread>
#include <utility>

#include "base/process/clock.h"
#include "base/process/fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// A server of one connection that answers the first bytes with `answer` and closes.
class Answering {
 public:
  explicit Answering(std::string answer) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client_.reset(ends[0]);
    server_.reset(ends[1]);
    thread_ = std::thread([this, answer = std::move(answer)] {
      char hello[4096];
      pollfd ready = {server_.get(), POLLIN, 0};
      poll(&ready, 1, 30'000);
      [[maybe_unused]] const ssize_t got = recv(server_.get(), hello, sizeof hello, 0);
      send(server_.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      server_.reset();
    });
  }
  ~Answering() { thread_.join(); }
  UniqueFd TakeClient() { return std::move(client_); }

 private:
  UniqueFd client_, server_;
  std::thread thread_;
};

TEST(DoorProbeTest, AServersHelloIsAnAnswer) {
  Answering server("\x16\x03\x03");
  EXPECT_TRUE(ProbeDoor(server.TakeClient(), absl::Seconds(30)).ok());
}

TEST(DoorProbeTest, AnAlertAndAnotherProtocolAreNone) {
  for (const char* answer : {"\x15\x03\x03", "HTTP/1.1 200 OK"}) {
    Answering server(answer);
    EXPECT_THAT(ProbeDoor(server.TakeClient(), absl::Seconds(30)).message(), HasSubstr("refused"));
  }
}

TEST(DoorProbeTest, AConnectionThatEndsIsNone) {
  Answering server("");
  EXPECT_THAT(ProbeDoor(server.TakeClient(), absl::Seconds(30)).message(),
              HasSubstr("the server closed the connection"));
}

TEST(DoorProbeTest, AProcessThatHangsIsNone) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd hanging(ends[1]);
  const absl::Status status = ProbeDoor(UniqueFd(ends[0]), absl::Milliseconds(1));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("no answer"));
}

TEST(DoorProbeTest, ADoorThatGivesNoConnectionIsNone) {
  const absl::Status status = ProbeDoor(absl::ResourceExhaustedError("full"), absl::Seconds(30));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("no client can connect: full"));
}

// Whoever asks it gets a connection to a server that answers, unless it is to fail.
class HeldAnswerTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  bool fails_ = false;
  int asked_ = 0;
  std::unique_ptr<Answering> server_;
  DoorProbe probe_{[this]() -> absl::StatusOr<UniqueFd> {
                     ++asked_;
                     if (fails_) return absl::UnavailableError("none");
                     server_ = std::make_unique<Answering>("\x16\x03\x03");
                     return server_->TakeClient();
                   },
                   &clock_};
};

TEST_F(HeldAnswerTest, AnAnswerHoldsForAWhile) {
  EXPECT_TRUE(probe_.Check().ok());
  fails_ = true;
  clock_.AdvanceNanos(DoorProbe::kHoldsNanos - 1);
  EXPECT_TRUE(probe_.Check().ok());
  EXPECT_EQ(asked_, 1);
  clock_.AdvanceNanos(1);
  EXPECT_FALSE(probe_.Check().ok());
}

TEST_F(HeldAnswerTest, ThatThereWasNoneHoldsForAMoment) {
  fails_ = true;
  EXPECT_FALSE(probe_.Check().ok());
  fails_ = false;
  clock_.AdvanceNanos(DoorProbe::kFailureHoldsNanos - 1);
  EXPECT_FALSE(probe_.Check().ok());
  EXPECT_EQ(asked_, 1);
  clock_.AdvanceNanos(1);
  EXPECT_TRUE(probe_.Check().ok());
}

}  // namespace
}  // namespace entropyd
