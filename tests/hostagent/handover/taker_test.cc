// The taker against a real giver, and against a scripted one that takes its offer back or dies.
#include "hostagent/handover/taker.h"

#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/handover_rig.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class TakeOverTest : public HandoverRig {};

// The test plays the running agent. It speaks from within `fill`, or before.
class TakeOverFromTest : public HandoverRig {
 protected:
  TakeOverFromTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    taker_ = HandoverLink::Create(UniqueFd(fds[0])).value();
    giver_end_ = HandoverLink::Create(UniqueFd(fds[1])).value();
  }
  static Message Offer() {
    Message message;
    message.mutable_offer()->set_format(kHandoverFormat);
    message.mutable_offer()->set_version("9.9");
    return message;
  }
  static Message Refusal(const std::string& reason) {
    Message message;
    message.mutable_refusal()->set_reason(reason);
    return message;
  }
  absl::Status Take(const FillBuffers& fill) {
    return TakeOver(std::move(taker_), new_.host->state(), fill).status();
  }
  Message Heard() {
    auto received = giver_end_->Receive(Soon());
    EXPECT_TRUE(received.ok()) << received.status();
    return received.ok() ? received->message : Message();
  }

  std::unique_ptr<HandoverLink> taker_;
  std::unique_ptr<HandoverLink> giver_end_;
};

TEST_F(TakeOverTest, ASuccessorTakesEverythingAndTheOldOneGoes) {
  Client client = Connect(Bytes{0x02, 8, 0x02});
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  While([&] {
    auto fill = [&](const handover::v1::Offer& offer, const auto&) {
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
  Say(taken->link.get(), serving);
  Turn(&old_);
  EXPECT_EQ(calls_, "leave given released ");
  EXPECT_TRUE(taken->link->TryReceive().ok()) << "open until the giver ends";
  giver_.reset();
  EXPECT_FALSE(taken->link->TryReceive().ok());
  EXPECT_EQ(access(path().c_str(), F_OK), 0) << "the socket is the successor's";
  auto next = HandoverGiver::Adopt(path(), std::move(taken->listener), new_.loop.get(),
                                   new_.host->state(), this, &log_);
  ASSERT_TRUE(next.ok());
  auto link = Reach();
  Say(link.get(), Begin());
  Turn(&new_);
  Turn(&new_);
  EXPECT_TRUE(link->Receive(Soon())->message.has_offer());
}

TEST_F(TakeOverTest, AnotherProcesssSocketInThePlaceOfTheOneForSuccessorsIsNotTakenForIt) {
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  auto link = Reach();
  ASSERT_EQ(unlink(path().c_str()), 0);
  auto foreign =
      Listener::Create(
          {path(), 0611, ""}, old_.loop.get(), [](UniqueFd) {}, [](const absl::Status&) {})
          .value();
  While([&] {
    auto fill = [](const handover::v1::Offer&, const auto&) { return absl::OkStatus(); };
    taken = TakeOver(std::move(link), new_.host->state(), fill);
  });
  ASSERT_TRUE(taken.ok()) << taken.status();
  auto next = HandoverGiver::Adopt(path(), std::move(taken->listener), new_.loop.get(),
                                   new_.host->state(), this, &log_)
                  .value();
  EXPECT_TRUE(next->MakeLostAnew());
  EXPECT_THAT(next->lost_problem().message(), HasSubstr("another process listens there"));
  next.reset();
  EXPECT_FALSE(foreign->FileIsLost());
}

TEST_F(TakeOverTest, ATakerThatCannotFillTakesNothing) {
  Client client = Connect(Bytes{0x02, 8});
  absl::Status status;
  While([&] {
    auto fill = [](const handover::v1::Offer&, const auto&) {
      return absl::UnavailableError("no server");
    };
    status = TakeOver(Reach(), new_.host->state(), fill).status();
  });
  EXPECT_THAT(status.message(), HasSubstr("no server"));
  EXPECT_EQ(calls_, "leave return ");
  ExpectServesOn(&client);
}

TEST_F(TakeOverTest, ATakerOfAnotherConfigurationTakesNothing) {
  settings_.listeners.erase(settings_.listeners.begin());  // the client's
  Make(&new_);
  Client client = Connect(Bytes{0x02, 8});
  absl::Status status;
  While([&] {
    auto fill = [](const handover::v1::Offer&, const auto&) { return absl::OkStatus(); };
    status = TakeOver(Reach(), new_.host->state(), fill).status();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(calls_, "leave return ");
  EXPECT_THAT(why_.message(), HasSubstr("keep the listener")) << "the old one's people are told";
  new_.host.reset();
  ExpectServesOn(&client);
}

// More than the kernel passes at once, and after an attempt that failed.
TEST_F(TakeOverTest, SixHundredSocketsOfGuestsAreTakenOver) {
  constexpr int kSockets = 600;
  for (int i = 0; i < kSockets; ++i) {
    config::v1::GuestSocket socket;
    socket.set_name(absl::StrCat("vm-", i));
    socket.set_path(dir_ / absl::StrCat("vm-", i, ".sock"));
    ASSERT_TRUE(old_.host->endpoints()->Add(socket).ok());
  }
  Client client = Connect(Bytes{0x02, 8});
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  bool can_fill = false;
  const auto fill = [&](const handover::v1::Offer&, const auto&) {
    return can_fill ? absl::OkStatus() : absl::UnavailableError("no server");
  };
  While([&] { taken = TakeOver(Reach(), new_.host->state(), fill); });
  EXPECT_FALSE(taken.ok());
  can_fill = true;
  While([&] { taken = TakeOver(Reach(), new_.host->state(), fill); });
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(new_.host->endpoints()->guest_sockets().guests_size(), kSockets);
  EXPECT_EQ(new_.host->endpoints()->opened().size(), kSockets + settings_.listeners.size());
  Client guest = Dial(dir_ / "vm-599.sock");
  Turn(&new_);
  EXPECT_EQ(new_.host->connections()->size(), 2u);
}

TEST_F(TakeOverTest, TwoThousandConnectionsAreTakenOver) {
  std::vector<Client> clients;
  for (int i = 0; i < 2'000; ++i) clients.push_back(Connect(Bytes{0x02}));
  absl::StatusOr<Taken> taken = absl::UnknownError("");
  While([&] {
    auto fill = [](const handover::v1::Offer&, const auto&) { return absl::OkStatus(); };
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

TEST_F(TakeOverFromTest, WhoIsRefusedAtOnceFillsNothing) {
  Say(giver_end_.get(), Refusal("this agent is stopping"));
  bool filled = false;
  const absl::Status status = Take([&](const auto&, const auto&) {
    filled = true;
    return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::FailedPreconditionError("this agent is stopping"));
  EXPECT_FALSE(filled);
  const Message begin = Heard();
  EXPECT_EQ(begin.begin().format_min(), kHandoverFormat);
  EXPECT_EQ(begin.begin().format_max(), kHandoverFormat);
}

TEST_F(TakeOverFromTest, AnOfferStandsUntilItIsTakenBack) {
  Say(giver_end_.get(), Offer());
  const absl::Status status = Take([&](const auto& offer, const auto& offered) {
    EXPECT_EQ(offer.version(), "9.9");
    EXPECT_TRUE(offered().ok());
    EXPECT_TRUE(offered().ok());
    Say(giver_end_.get(), Refusal("this agent is stopping"));
    return offered();
  });
  EXPECT_EQ(status, absl::FailedPreconditionError("this agent is stopping"));
}

TEST_F(TakeOverFromTest, AnOfferTakenBackAtTheLastMomentIsNotRequested) {
  Say(giver_end_.get(), Offer());
  const absl::Status status = Take([&](const auto&, const auto&) {
    Say(giver_end_.get(), Refusal("this agent is stopping"));
    return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::FailedPreconditionError("this agent is stopping"));
  EXPECT_TRUE(Heard().has_begin());
  EXPECT_TRUE(absl::IsUnavailable(giver_end_->Receive(Soon()).status())) << "no Request";
}

TEST_F(TakeOverFromTest, APredecessorThatDiesWhileTheBuffersFillIsNotWaitedFor) {
  Say(giver_end_.get(), Offer());
  const absl::Status status = Take([&](const auto&, const auto& offered) {
    giver_end_.reset();
    return offered();
  });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(TakeOverFromTest, APredecessorThatSpeaksOutOfTurnIsNotTrusted) {
  Say(giver_end_.get(), Offer());
  const absl::Status status = Take([&](const auto&, const auto& offered) {
    Say(giver_end_.get(), Offer());
    return offered();
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

// The other side sent its last message and closed. The message tells more than the end.
TEST_F(TakeOverFromTest, ARefusalOutlivesItsSender) {
  Say(giver_end_.get(), Offer());
  const absl::Status status = Take([&](const auto&, const auto&) {
    Say(giver_end_.get(), Refusal("another's"));
    giver_end_.reset();
    return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::FailedPreconditionError("another's"));
}

}  // namespace
}  // namespace entropyd
