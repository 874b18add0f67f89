#include "base/process/bounded_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using testing::EndsWith;

// A port of this machine; with backlog < 0 nobody listens there.
class Port {
 public:
  explicit Port(int backlog) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_.get(), name, size), 0);
    EXPECT_EQ(getsockname(fd_.get(), name, &size), 0);
    if (backlog >= 0) {
      EXPECT_EQ(listen(fd_.get(), backlog), 0);
    }
    text_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  const std::string& text() const { return text_; }
  UniqueFd Accept() { return UniqueFd(accept(fd_.get(), nullptr, nullptr)); }

 private:
  UniqueFd fd_;
  std::string text_;
};

absl::Time Soon() { return absl::Now() + absl::Milliseconds(1); }

TEST(BoundedSocketTest, AnAnswerEndsWithThePeersSide) {
  Port port(5);
  const auto socket = ConnectWithin(port.text(), absl::InfiniteFuture());
  ASSERT_TRUE(socket.ok()) << socket.status();
  const UniqueFd peer = port.Accept();
  ASSERT_EQ(write(peer.get(), "answer", 6), 6);
  ASSERT_EQ(shutdown(peer.get(), SHUT_WR), 0);
  const auto answer = ExchangeWithin(socket->get(), "ask", 100, absl::InfiniteFuture());
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "answer");
  char asked[4] = {};
  EXPECT_EQ(read(peer.get(), asked, sizeof asked), 3);
  EXPECT_EQ(std::string(asked), "ask");
}

TEST(BoundedSocketTest, APeerThatSaysNothingHasUntilTheDeadline) {
  Port port(5);
  const auto socket = ConnectWithin(port.text(), absl::InfiniteFuture());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(ExchangeWithin(socket->get(), "ask", 9, Soon()).status()));
}

TEST(BoundedSocketTest, ARequestThatTheKernelDoesNotTakeAtOnceFailsInWords) {
  Port port(5);
  const auto socket = ConnectWithin(port.text(), absl::InfiniteFuture());
  ASSERT_TRUE(socket.ok()) << socket.status();
  const std::string request(size_t{64} << 20, 'x');
  const absl::Status status =
      ExchangeWithin(socket->get(), request, 9, absl::InfiniteFuture()).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), EndsWith(" of 67108864 bytes were taken"));
}

TEST(BoundedSocketTest, WhereNobodyListensTheKernelSaysSo) {
  Port port(-1);
  const absl::Status status = ConnectWithin(port.text(), absl::InfiniteFuture()).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(), absl::StrCat(port.text(), ": Connection refused"));
}

TEST(BoundedSocketTest, WhereNobodyAnswersTheTimeIsOver) {
  Port port(0);
  // Those that wait take the places, so that the kernel answers nobody any more.
  absl::StatusOr<UniqueFd> waiting[4];
  for (auto& one : waiting) one = ConnectWithin(port.text(), Soon());
  const absl::Status status = ConnectWithin(port.text(), Soon()).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), EndsWith(" says nothing"));
}

TEST(BoundedSocketTest, ANameIsNoAddress) {
  EXPECT_TRUE(absl::IsInvalidArgument(ConnectWithin("localhost:1", Soon()).status()));
}

}  // namespace
}  // namespace entropyd
