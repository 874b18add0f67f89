// The channel on socketpairs; the giver against a scripted successor that dies, hangs or talks
// nonsense at every step; and the taker against a real giver.
#include "hostagent/handover/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/handover/handover_link.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {
namespace {

using handover::v1::Message;
using testing::HasSubstr;

absl::Time Soon() { return absl::Now() + absl::Seconds(5); }

// --- channel -------------------------------------------------------------------------------------

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
  const std::vector<int> many(HandoverLink::kMaxFds, pipes[0]);
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

TEST_F(HandoverLinkTest, AMessageLargerThanTheSocketCrosses) {
  const std::string large(3'000'000, 'x');
  std::thread sender([&] { EXPECT_TRUE(near_->Send(Named(large), {raw_}, Soon()).ok()); });
  auto received = far_->Receive(Soon());
  sender.join();
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->message.refusal().reason(), large);
  EXPECT_EQ(received->fds.size(), 1u);
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
    auto channel = HandoverLink::Create(UniqueFd(fds[0])).value();
    ASSERT_EQ(write(fds[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(absl::IsDataLoss(channel->TryReceive().status()));
  }
}

TEST_F(HandoverLinkTest, WhenReceivingHasStoppedASendHasArrivedOrFails) {
  ASSERT_TRUE(near_->Send(Named("before"), {}, Soon()).ok());
  far_->StopReceiving();
  EXPECT_TRUE(absl::IsUnavailable(near_->Send(Named("after"), {}, Soon())));
  EXPECT_EQ(far_->Receive(Soon())->message.refusal().reason(), "before");
  EXPECT_TRUE(absl::IsUnavailable(far_->Receive(Soon()).status()));
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

// --- giver ---------------------------------------------------------------------------------------

class HandoverTest : public TwoHostsTest, public HandoverGiver::Subject {
 protected:
  void SetUp() override {
    TwoHostsTest::SetUp();
    giver_ = HandoverGiver::Start(path(), old_.loop.get(), old_.host->state(), this, &log_).value();
  }
  void TearDown() override {
    giver_.reset();
    TwoHostsTest::TearDown();
  }
  std::string path() const { return dir_ / "agent.sock.handover"; }

  void LeaveServer() override { calls_ += "leave "; }
  void ReturnToServer(const absl::Status& why) override { calls_ += "return ", why_ = why; }
  void Given(const std::string& version) override { calls_ += "given "; }
  void Released() override { calls_ += "released "; }

  static Message Begin(uint32_t from = 1, uint32_t to = 1) {
    Message message;
    message.mutable_begin()->set_format_min(from);
    message.mutable_begin()->set_format_max(to);
    message.mutable_begin()->set_version("9.9");
    return message;
  }
  std::unique_ptr<HandoverLink> Reach() { return HandoverLink::Connect(path()).value(); }
  std::unique_ptr<HandoverLink> Offered() {
    auto channel = Reach();
    Say(channel.get(), Begin());
    Turn(&old_);
    Turn(&old_);
    auto offer = channel->Receive(Soon());
    EXPECT_TRUE(offer.ok() && offer->message.has_offer());
    return channel;
  }
  static void Say(HandoverLink* channel, const Message& message) {
    EXPECT_TRUE(channel->Send(message, {}, Soon()).ok());
  }
  static Message Request() {
    Message message;
    message.mutable_request();
    return message;
  }
  static Message Prepared() {
    Message message;
    message.mutable_prepared();
    return message;
  }
  // The old one's loop turns in a thread while `script` plays the successor.
  void While(const std::function<void()>& script) {
    std::atomic<bool> done{false};
    std::thread player([&] {
      script();
      done = true;
    });
    while (!done) old_.loop->RunOnce(1'000'000);
    player.join();
    for (int i = 0; i < 5; ++i) Turn(&old_);
  }
  // Whatever happened: a guest that waited since before it, and one that comes now, are served.
  void ExpectServesOn(Client* waiting) {
    EXPECT_FALSE(giver_->given());
    Arrive(&old_, 100);
    EXPECT_EQ(waiting->Receive().size(), 8u);
    Client fresh = Connect(Bytes{0x02, 4});
    EXPECT_EQ(fresh.Receive().size(), 4u);
  }

  std::unique_ptr<HandoverGiver> giver_;
  std::string calls_;
  absl::Status why_;
};

TEST_F(HandoverTest, ASuccessorTakesEverythingAndTheOldOneGoes) {
  Client client = Connect(Bytes{0x02, 8, 0x02});
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  While([&] {
    auto fill = [&](const handover::v1::Offer& offer) {
      EXPECT_EQ(offer.class_(0).guests(), 1u);
      return absl::OkStatus();
    };
    taken = TakeOver(Reach(), new_.host->state(), fill);
  });
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->connections, 1u);
  EXPECT_EQ(calls_, "leave given ");
  EXPECT_TRUE(giver_->given());
  EXPECT_EQ(old_.host->connections()->size(), 0u);
  client.Send({6});
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 14u);
  Message serving;
  serving.mutable_serving();
  Say(taken->channel.get(), serving);
  Turn(&old_);
  EXPECT_EQ(calls_, "leave given released ");
  EXPECT_TRUE(taken->channel->TryReceive().ok()) << "open until the old process ends";
  giver_.reset();
  EXPECT_FALSE(taken->channel->TryReceive().ok());
  EXPECT_EQ(access(path().c_str(), F_OK), 0) << "the socket is the successor's";
  auto next = HandoverGiver::Adopt(path(), std::move(taken->listener), new_.loop.get(),
                                   new_.host->state(), this, &log_);
  ASSERT_TRUE(next.ok());
  auto channel = Reach();
  Say(channel.get(), Begin());
  Turn(&new_);
  Turn(&new_);
  EXPECT_TRUE(channel->Receive(Soon())->message.has_offer());
}

TEST_F(HandoverTest, TheSocketIsForItsUserOnly) {
  struct stat found;
  ASSERT_EQ(stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(HandoverTest, AnotherFormatIsRefusedBeforeAnythingIsGivenUp) {
  Client client = Connect(Bytes{0x02, 8});
  for (const Message& begin : {Begin(kHandoverFormat + 1, kHandoverFormat + 3), Begin(0, 0)}) {
    auto channel = Reach();
    Say(channel.get(), begin);
    Turn(&old_);
    Turn(&old_);
    auto answer = channel->Receive(Soon());
    ASSERT_TRUE(answer.ok() && answer->message.has_refusal());
    EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("version 9.9 takes"));
    EXPECT_EQ(calls_, "");
  }
  ExpectServesOn(&client);
}

TEST_F(HandoverTest, ASecondSuccessorIsRefusedAndTheFirstGoesOn) {
  auto first = Offered();
  auto second = Reach();
  Turn(&old_);
  EXPECT_TRUE(second->Receive(Soon())->message.has_refusal());
  EXPECT_EQ(calls_, "leave ");
}

// One step after the other: the successor dies there, and the old one serves on.
TEST_F(HandoverTest, M13_ASuccessorThatDiesAtAnyStepBeforeGoChangesNothing) {
  for (int step = 0; step < 6; ++step) {
    Client client = Connect(Bytes{0x02, 8});
    calls_.clear();
    While([&] {
      auto channel = Reach();
      if (step == 0) return;
      Say(channel.get(), Begin());
      if (step == 1) return;
      channel->Receive(Soon()).status().IgnoreError();
      if (step == 2) return;
      Say(channel.get(), Request());
      if (step == 3) return;
      channel->Receive(Soon()).status().IgnoreError();
      if (step == 4) return;
      channel->Receive(Soon()).status().IgnoreError();
    });
    EXPECT_EQ(calls_, step < 1 ? "" : "leave return ") << step;
    ExpectServesOn(&client);
  }
}

TEST_F(HandoverTest, M13_ASuccessorThatTalksNonsenseAtAnyStepChangesNothing) {
  for (int step = 0; step < 3; ++step) {
    Client client = Connect(Bytes{0x02, 8});
    calls_.clear();
    While([&] {
      auto channel = Reach();
      if (step > 0) {
        Say(channel.get(), Begin());
        channel->Receive(Soon()).status().IgnoreError();
      }
      if (step > 1) {
        Say(channel.get(), Request());
        channel->Receive(Soon()).status().IgnoreError();
        channel->Receive(Soon()).status().IgnoreError();
      }
      Say(channel.get(), step == 0 ? Prepared() : Begin());
      EXPECT_TRUE(absl::IsUnavailable(channel->Receive(Soon()).status()));
    });
    EXPECT_EQ(calls_, step == 0 ? "" : "leave return ") << step;
    ExpectServesOn(&client);
  }
}

TEST_F(HandoverTest, ASuccessorThatHangsIsGivenUpAtEveryStep) {
  Client client = Connect(Bytes{0x02, 8});
  auto silent = Reach();
  Turn(&old_);
  Turn(&old_, HandoverGiver::kBeginPatienceNanos + 1);
  EXPECT_EQ(calls_, "");
  auto offered = Offered();
  Turn(&old_, HandoverGiver::kFillPatienceNanos + 1);
  EXPECT_EQ(calls_, "leave return ");
  EXPECT_TRUE(absl::IsDeadlineExceeded(why_));
  calls_.clear();
  auto never_prepared = Offered();
  Say(never_prepared.get(), Request());
  const absl::Time began = absl::Now();
  Turn(&old_);
  EXPECT_LT(absl::Now() - began, HandoverGiver::kGivePatience + absl::Seconds(1));
  EXPECT_EQ(calls_, "leave return ");
  ExpectServesOn(&client);
}

TEST_F(HandoverTest, M13_OneProcessServesWhateverTheSuccessorDoesAfterPrepared) {
  // It dies before Go reaches it: Go cannot be sent, or it was and the guests are the successor's.
  for (bool closes : {true, false}) {
    if (giver_->given()) break;
    Client client = Connect(Bytes{0x02, 8});
    While([&] {
      auto channel = Reach();
      Say(channel.get(), Begin());
      channel->Receive(Soon()).status().IgnoreError();
      if (closes) channel->StopReceiving();
      channel->Send(Request(), {}, Soon()).IgnoreError();
      channel->Send(Prepared(), {}, Soon()).IgnoreError();
      while (!closes) {
        const auto answer = channel->Receive(Soon());
        if (!answer.ok() || answer->message.has_go()) break;
      }
    });
    EXPECT_EQ(giver_->given(), !closes);
    if (closes) ExpectServesOn(&client);
    EXPECT_EQ(old_.host->connections()->size() == 0, giver_->given());
  }
  EXPECT_THAT(calls_, testing::EndsWith("given released "));
}

TEST_F(HandoverTest, ATakerThatCannotFillTakesNothing) {
  Client client = Connect(Bytes{0x02, 8});
  absl::Status status;
  While([&] {
    auto fill = [](const handover::v1::Offer&) { return absl::UnavailableError("no server"); };
    status = TakeOver(Reach(), new_.host->state(), fill).status();
  });
  EXPECT_THAT(status.message(), HasSubstr("no server"));
  EXPECT_EQ(calls_, "leave return ");
  ExpectServesOn(&client);
}

TEST_F(HandoverTest, ATakerOfAnotherConfigurationTakesNothing) {
  settings_.listeners.erase(settings_.listeners.begin());  // the client's
  Make(&new_);
  Client client = Connect(Bytes{0x02, 8});
  absl::Status status;
  While([&] {
    auto fill = [](const handover::v1::Offer&) { return absl::OkStatus(); };
    status = TakeOver(Reach(), new_.host->state(), fill).status();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(calls_, "leave return ");
  EXPECT_THAT(why_.message(), HasSubstr("keep the listener")) << "the old one's people are told";
  new_.host.reset();
  ExpectServesOn(&client);
}

TEST_F(HandoverTest, TwoThousandConnectionsAreTakenOver) {
  std::vector<Client> clients;
  for (int i = 0; i < 2'000; ++i) clients.push_back(Connect(Bytes{0x02}));
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  While([&] {
    auto fill = [](const handover::v1::Offer&) { return absl::OkStatus(); };
    taken = TakeOver(Reach(), new_.host->state(), fill);
  });
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->connections, 2'000u);
  RecordProperty("pause_us", static_cast<int>(absl::ToInt64Microseconds(taken->pause)));
  Fill(&new_, 100'000);
  for (Client& client : clients) client.Send({8});
  for (int i = 0; i < 100; ++i) Turn(&new_);
  for (Client& client : clients) ASSERT_EQ(client.Receive().size(), 8u);
}

}  // namespace
}  // namespace entropyd
