#include "server/door/door_probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process/clock.h"
#include "base/process/fd.h"
#include "base/process/listen_socket.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;

// A server of one connection that answers the first bytes with `answer` and closes.
class Answering {
 public:
  explicit Answering(std::string answer) : listening_(ListenOn("127.0.0.1:0").value()) {
    thread_ = std::thread([this, answer = std::move(answer)] {
      AwaitPeer();
      const UniqueFd peer(accept4(listening_.sockets[0].get(), nullptr, nullptr, SOCK_CLOEXEC));
      char hello[4096];
      [[maybe_unused]] const ssize_t got = recv(peer.get(), hello, sizeof hello, 0);
      send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    });
  }
  ~Answering() { thread_.join(); }
  std::string address() const { return LocalAddress(listening_); }

 private:
  void AwaitPeer() const {
    pollfd ready = {listening_.sockets[0].get(), POLLIN, 0};
    poll(&ready, 1, 30'000);
  }

  const ListenSockets listening_;
  std::thread thread_;
};

TEST(DoorProbeTest, AServersHelloIsAnAnswer) {
  const Answering server("\x16\x03\x03");
  EXPECT_TRUE(ProbeDoor(server.address(), absl::Seconds(30)).ok());
}

TEST(DoorProbeTest, AnAlertAndAnotherProtocolAreNone) {
  for (const char* answer : {"\x15\x03\x03", "HTTP/1.1 200 OK"}) {
    const Answering server(answer);
    EXPECT_THAT(ProbeDoor(server.address(), absl::Seconds(30)).message(), HasSubstr("refused"));
  }
}

TEST(DoorProbeTest, AConnectionThatEndsIsNone) {
  const Answering server("");
  EXPECT_THAT(ProbeDoor(server.address(), absl::Seconds(30)).message(),
              HasSubstr("the server closed the connection"));
}

TEST(DoorProbeTest, AProcessThatHangsIsNone) {
  // The kernel accepts for it.
  const ListenSockets hanging = ListenOn("127.0.0.1:0").value();
  const absl::Status status = ProbeDoor(LocalAddress(hanging), absl::Milliseconds(1));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("no answer"));
}

TEST(DoorProbeTest, AClosedPortIsNone) {
  std::string address;
  {
    const ListenSockets gone = ListenOn("127.0.0.1:0").value();
    address = LocalAddress(gone);
  }
  EXPECT_THAT(ProbeDoor(address, absl::Seconds(30)).message(), HasSubstr("connect"));
}

TEST(DoorProbeTest, AnAnswerHoldsForAWhile) {
  ManualClock clock;
  auto server = std::make_unique<Answering>("\x16\x03\x03");
  DoorProbe probe(server->address(), &clock);
  EXPECT_TRUE(probe.Check().ok());
  server.reset();
  clock.Advance(absl::Nanoseconds(DoorProbe::kHoldsNanos - 1));
  EXPECT_TRUE(probe.Check().ok()) << "it was not asked again";
  clock.Advance(absl::Nanoseconds(1));
  EXPECT_FALSE(probe.Check().ok());
}

TEST(DoorProbeTest, ThatThereWasNoneHoldsForAMoment) {
  ManualClock clock;
  std::string address;
  {
    const ListenSockets gone = ListenOn("127.0.0.1:0").value();
    address = LocalAddress(gone);
  }
  DoorProbe probe(address, &clock);
  EXPECT_FALSE(probe.Check().ok());
  const ListenSockets back = ListenOn(address).value();
  EXPECT_THAT(probe.Check().message(), HasSubstr("refused")) << "it was not asked again";
  clock.Advance(absl::Nanoseconds(DoorProbe::kFailureHoldsNanos));
  // Somebody listens now, and does not answer.
  EXPECT_THAT(probe.Check().message(), HasSubstr("no answer"));
}

}  // namespace
}  // namespace entropyd
