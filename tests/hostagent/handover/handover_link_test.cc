// On socketpairs.
#include "hostagent/handover/handover_link.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/temp_dir.h"

namespace entropyd {
namespace {

using handover::v1::Message;

class HandoverLinkTest : public testing::Test {
 protected:
  HandoverLinkTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    raw_ = fds[1];
    near_ = HandoverLink::Create(UniqueFd(fds[0])).value();
    far_ = HandoverLink::Create(UniqueFd(fds[1])).value();
  }
  static Message Named(const std::string& text) {
    Message message;
    message.mutable_refusal()->set_reason(text);
    return message;
  }

  int raw_ = -1;
  std::unique_ptr<HandoverLink> near_;
  std::unique_ptr<HandoverLink> far_;
};

TEST_F(HandoverLinkTest, MessagesArriveWholeInOrderWithTheirDescriptors) {
  int pipes[2];
  ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  const UniqueFd out(pipes[1]);
  const std::vector<int> many(HandoverLink::kFdsAtOnce, pipes[0]);
  ASSERT_TRUE(near_->Send(Named("one"), {}, Soon()).ok());
  ASSERT_TRUE(near_->Send(Named("two"), many, Soon()).ok());
  ASSERT_TRUE(near_->Send(Named(""), {pipes[0]}, Soon()).ok());
  close(pipes[0]);
  EXPECT_EQ(far_->Receive(Soon())->message.refusal().reason(), "one");
  auto two = far_->Receive(Soon());
  ASSERT_TRUE(two.ok());
  ASSERT_EQ(two->fds.size(), many.size());
  EXPECT_TRUE(fcntl(two->fds[0].get(), F_GETFD) & FD_CLOEXEC);
  auto three = far_->Receive(Soon());
  ASSERT_EQ(three->fds.size(), 1u);
  ASSERT_EQ(write(out.get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(three->fds[0].get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(HandoverLinkTest, MoreDescriptorsCrossThanTheKernelPassesAtOnce) {
  const size_t at_once = HandoverLink::kFdsAtOnce;
  for (const size_t count : {at_once + 1, 2 * at_once, 3 * at_once + 7}) {
    const std::vector<int> many(count, raw_);
    std::thread sender([&] { EXPECT_TRUE(near_->Send(Named("many"), many, Soon()).ok()); });
    auto received = far_->Receive(Soon());
    sender.join();
    ASSERT_TRUE(received.ok()) << received.status();
    EXPECT_EQ(received->message.refusal().reason(), "many");
    EXPECT_EQ(received->fds.size(), count);
  }
  ASSERT_TRUE(near_->Send(Named("next"), {}, Soon()).ok());
  EXPECT_EQ(far_->Receive(Soon())->message.refusal().reason(), "next");
}

TEST_F(HandoverLinkTest, AMessageLargerThanTheSocketCrosses) {
  const std::string large(3'000'000, 'x');
  std::thread sender([&] { EXPECT_TRUE(near_->Send(Named(large), {raw_}, Soon()).ok()); });
  auto received = far_->Receive(Soon());
  sender.join();
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->message.refusal().reason(), large);
  EXPECT_EQ(received->fds.size(), 1u);
}

TEST_F(HandoverLinkTest, ALongMessageIsReadInSeveralCalls) {
  ASSERT_TRUE(near_->Send(Named(std::string(100'000, 'x')), {}, Soon()).ok());
  auto first = far_->TryReceive();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->has_value());
  auto second = far_->TryReceive();
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(second->has_value());
  EXPECT_EQ((*second)->message.refusal().reason().size(), 100'000u);
}

TEST_F(HandoverLinkTest, NothingYetIsNoError) {
  auto nothing = far_->TryReceive();
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(far_->Receive(absl::Now() + absl::Milliseconds(5)).status()));
}

TEST_F(HandoverLinkTest, APeerThatIsGoneIsTold) {
  near_.reset();
  EXPECT_TRUE(absl::IsUnavailable(far_->Receive(Soon()).status()));
  EXPECT_TRUE(absl::IsUnavailable(far_->Send(Named("x"), {}, Soon())));
}

TEST_F(HandoverLinkTest, AReaderThatHangsIsGivenUp) {
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      near_->Send(Named(std::string(3'000'000, 'x')), {}, absl::Now() + absl::Milliseconds(20))));
}

TEST_F(HandoverLinkTest, NonsenseIsNoMessage) {
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff\0\0\0\0", 8), std::string("\0\0\0\0\0\0\1\0", 8),
        std::string("\0\0\0\2\0\0\0\0\xff\xff", 10), std::string("\0\0\0\0\0\0\0\1", 8)}) {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const UniqueFd writer(fds[1]);
    auto link = HandoverLink::Create(UniqueFd(fds[0])).value();
    ASSERT_EQ(write(fds[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(absl::IsDataLoss(link->TryReceive().status()));
  }
}

TEST_F(HandoverLinkTest, WhenReceivingHasStoppedASendHasArrivedOrFails) {
  ASSERT_TRUE(near_->Send(Named("before"), {}, Soon()).ok());
  far_->StopReceiving();
  EXPECT_TRUE(absl::IsUnavailable(near_->Send(Named("after"), {}, Soon())));
  EXPECT_EQ(far_->Receive(Soon())->message.refusal().reason(), "before");
  EXPECT_TRUE(absl::IsUnavailable(far_->Receive(Soon()).status()));
}

// Whoever takes over has the guests, and the listeners with their rights.
TEST(HandoverPeerTest, AProcessOfAnotherUserIsRefused) {
  ASSERT_EQ(geteuid(), 0u) << "only root can be somebody else; run the test as root";
  constexpr uid_t kNobody = 65534;
  constexpr uid_t kSame = static_cast<uid_t>(-1);
  int fds[2];
  // Of this thread alone, and back.
  ASSERT_EQ(syscall(SYS_setresuid, kSame, kNobody, kSame), 0);
  const int made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
  ASSERT_EQ(syscall(SYS_setresuid, kSame, 0, kSame), 0);
  ASSERT_EQ(made, 0);
  const UniqueFd other(fds[1]);
  const absl::Status refused = HandoverLink::Create(UniqueFd(fds[0])).status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_NE(refused.message().find("of user 65534, this one of 0"), std::string::npos) << refused;
}

TEST(HandoverConnectTest, NobodyIsNotFound) {
  TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(HandoverLink::Connect(dir / "none").status()));
  {
    UniqueFd stale(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (dir / "stale").c_str());
    ASSERT_EQ(bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_TRUE(absl::IsNotFound(HandoverLink::Connect(dir / "stale").status()));
}

}  // namespace
}  // namespace entropyd
