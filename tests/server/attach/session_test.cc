#include "server/attach/session.h"

#include <algorithm>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "tests/server/dispatch/fake_claimant.h"

namespace entropyd {
namespace {

class SessionTest : public ::testing::Test, public Session::Owner {
 protected:
  static v1::Hello Hello(uint32_t min = 1, uint32_t max = 1, size_t host_id_bytes = 16) {
    v1::Hello hello;
    hello.set_version_min(min);
    hello.set_version_max(max);
    hello.set_host_id(std::string(host_id_bytes, 'h'));
    return hello;
  }
  static v1::Open OpenOf(uint32_t channel) {
    v1::Open open;
    open.set_channel(channel);
    open.set_class_("default/gold");
    return open;
  }
  static v1::Line Line(uint32_t channel, uint64_t limit, uint64_t received, uint32_t guests = 0) {
    v1::Line line;
    line.set_channel(channel);
    line.set_limit(limit);
    line.set_received(received);
    line.set_guests(guests);
    return line;
  }
  // One that is open and waits in a leaf.
  Channel* OpenChannel(uint32_t number, const std::string& name = "default/gold") {
    v1::Open open = OpenOf(number);
    open.set_class_(name);
    Channel* const channel = session_.Open(open).value();
    if (channel->phase() != Channel::Phase::kClosed) channel->Join(table_.FindLeaf("pool/one"));
    return channel;
  }
  absl::StatusCode CreditCode(const v1::Line& line) {
    return session_.Credit(line).status().code();
  }

  void CloseChannel(uint32_t number) {
    v1::Close close;
    close.set_channel(number);
    EXPECT_TRUE(session_.Close(close).ok());
  }
  // Sends so many bytes on the channel, in as many messages as that takes.
  void Send(Channel* channel, uint32_t bytes) {
    while (bytes > 0) {
      const uint32_t taken = channel->Plan(bytes);
      ASSERT_GT(taken, 0u);
      bytes -= taken;
      Say();
      session_.outbox()->WriteEnded(0);
    }
  }
  // What there is goes out: a message with this head, which is sent at `now_nanos`.
  v1::ServerMessage Say(int64_t now_nanos = 0) {
    EXPECT_TRUE(session_.outbox()->StartMessage());
    v1::ServerMessage head = session_.TakeHead(now_nanos);
    for (const auto& channel : session_.channels()) channel->Drawn();
    EXPECT_TRUE(session_.outbox()->Seal(now_nanos));
    return head;
  }

  void OnSession(Session*, uint32_t, int64_t) override {}
  void OnSomethingToSend(Session*) override { ++announced_; }

  int announced_ = 0;
  FakePool pool_{"pool"};
  ClassTable table_{SetupsOf({&pool_})};
  PayloadBudgets budgets_{10'000, 300};
  Deliveries all_;
  Session session_{{"spiffe://test/agent", "peer"},
                   {.max_credit = 1000, .max_payload = 300},
                   &budgets_,
                   &all_,
                   this};
};

TEST_F(SessionTest, HelloMustShareAVersionAndNameTheHost) {
  EXPECT_TRUE(absl::IsFailedPrecondition(session_.Hello(Hello(2, 3), 1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(session_.Hello(Hello(0, 0), 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Hello(Hello(2, 1), 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Hello(Hello(1, 1, 15), 1)));
  EXPECT_EQ(session_.phase(), Session::Phase::kNew);
  EXPECT_TRUE(session_.Hello(Hello(0, 9), 1).ok());
  EXPECT_EQ(session_.phase(), Session::Phase::kReady);
}

TEST_F(SessionTest, WelcomeStatesTheLimitsInTheFirstMessage) {
  ASSERT_TRUE(session_.Hello(Hello(), 5).ok());
  const v1::ServerMessage head = Say();
  EXPECT_EQ(head.seq(), 1u);
  EXPECT_EQ(head.welcome().session_id(), 5u);
  EXPECT_EQ(head.welcome().max_credit(), 1000u);
  EXPECT_EQ(head.welcome().max_payload(), 300u);
  session_.outbox()->WriteEnded(0);
  session_.outbox()->Tell(Outbox::kHeartbeat);
  const v1::ServerMessage next = Say();
  EXPECT_EQ(next.seq(), 2u);
  EXPECT_FALSE(next.has_welcome());
}

TEST_F(SessionTest, ChannelNumbersAreInRangeAndNeverReused) {
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Open(OpenOf(0)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Open(OpenOf(65)).status()));
  Channel* const channel = OpenChannel(64);
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Open(OpenOf(64)).status()));
  channel->Expel({ClassRefusal::Cause::kUnknown});
  EXPECT_TRUE(absl::IsInvalidArgument(session_.Open(OpenOf(64)).status()));
}

TEST_F(SessionTest, CreditIsMonotoneAndNeverAcknowledgesWhatWasNotSent) {
  Channel* const channel = OpenChannel(1);
  ASSERT_TRUE(session_.Credit(Line(1, 500, 0)).ok());
  EXPECT_EQ(channel->want(), 500u);
  Send(channel, 200);
  ASSERT_TRUE(session_.Credit(Line(1, 500, 200)).ok());
  EXPECT_EQ(channel->credit().unconfirmed(), 0u);
  EXPECT_EQ(CreditCode(Line(1, 499, 200)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreditCode(Line(1, 500, 199)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreditCode(Line(1, 500, 201)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CreditCode(Line(2, 500, 0)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(channel->credit().limit(), 500u);
  EXPECT_EQ(channel->credit().received(), 200u);
}

TEST_F(SessionTest, CreditIsBoundedByMaxCreditBeyondWhatWasReceived) {
  Channel* const channel = OpenChannel(1);
  EXPECT_EQ(CreditCode(Line(1, 1001, 0)), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(CreditCode(Line(1, UINT64_MAX, 0)), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(session_.Credit(Line(1, 1000, 0)).ok());
  Send(channel, 1000);
  EXPECT_EQ(CreditCode(Line(1, 2000, 999)), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(session_.Credit(Line(1, 2000, 1000)).ok());
}

TEST_F(SessionTest, TheUnconfirmedBytesAreThoseOfTheChannelsWhateverHappens) {
  std::mt19937 random(20260101);
  const auto below = [&random](uint64_t most) { return random() % (most + 1); };
  for (uint32_t number = 1; number <= 8; ++number) {
    OpenChannel(number, absl::StrCat("default/c", number));
  }
  uint64_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    Channel* const channel = session_.channels()[below(7)].get();
    switch (below(9)) {
      case 0:
        if (below(300) == 0) CloseChannel(channel->number());
        break;
      case 1:  // more than was sent, or less than before
        CreditCode(
            Line(channel->number(), channel->credit().limit(), channel->credit().sent() + 1));
        CreditCode(
            Line(channel->number(), channel->credit().limit(), channel->credit().received() - 1));
        break;
      case 2:
      case 3:
      case 4:
      case 5: {
        const uint64_t received =
            channel->credit().received() + below(channel->credit().unconfirmed());
        EXPECT_TRUE(session_.Credit(Line(channel->number(), received + 1000, received)).ok());
        break;
      }
      default:
        if (channel->phase() == Channel::Phase::kClosed) break;
        Send(channel, static_cast<uint32_t>(below(std::min<uint64_t>(channel->want(), 200))));
    }
    uint64_t walked = 0;
    for (const auto& one : session_.channels()) walked += one->credit().unconfirmed();
    ASSERT_EQ(session_.deliveries().unconfirmed(), walked) << "after step " << i;
    most = std::max(most, walked);
  }
  EXPECT_GT(most, 1000u) << "several channels had some";
}

TEST_F(SessionTest, ALineThatCrossesClosedStillAcknowledges) {
  Channel* const channel = OpenChannel(1);
  ASSERT_TRUE(session_.Credit(Line(1, 500, 0)).ok());
  Send(channel, 200);
  CloseChannel(1);
  const absl::StatusOr<Channel*> credited = session_.Credit(Line(1, 700, 200));
  ASSERT_TRUE(credited.ok());
  EXPECT_EQ(*credited, nullptr);
  EXPECT_EQ(session_.deliveries().unconfirmed(), 0u);
  Say();
  CloseChannel(1);
  EXPECT_FALSE(channel->state_due()) << "its last word was said";
}

TEST_F(SessionTest, GuestsAreAWeightAndClamped) {
  Channel* const channel = OpenChannel(1);
  ASSERT_TRUE(session_.Credit(Line(1, 0, 0, 4'000'000'000)).ok());
  EXPECT_EQ(channel->guests(), kMaxGuests);
  EXPECT_EQ(channel->waiting_guests(), kMaxGuests) << "an agent that does not say so";
}

TEST_F(SessionTest, WaitingGuestsAreWhatWeighs) {
  Channel* const channel = OpenChannel(1);
  v1::Line line = Line(1, 0, 0, 20);
  line.set_waiting_guests(0);
  ASSERT_TRUE(session_.Credit(line).ok());
  EXPECT_EQ(channel->guests(), 20u);
  EXPECT_EQ(channel->waiting_guests(), 0u);
  line.set_waiting_guests(4'000'000'000);
  ASSERT_TRUE(session_.Credit(line).ok());
  EXPECT_EQ(channel->waiting_guests(), kMaxGuests);
}

TEST_F(SessionTest, APlanIsWantedNoMoreAndIsSentWithTheNextMessage) {
  Channel* const channel = OpenChannel(1);
  ASSERT_TRUE(session_.Credit(Line(1, 1000, 0)).ok());
  EXPECT_EQ(channel->Plan(150), 150u);
  EXPECT_EQ(channel->want(), 850u);
  EXPECT_EQ(channel->Plan(1000), 150u) << "the message is full";
  Say();
  EXPECT_EQ(channel->credit().sent(), 300u);
  EXPECT_EQ(channel->planned(), 0u);
  EXPECT_EQ(channel->want(), 700u);
}

TEST_F(SessionTest, OnlyADrbgPlansAheadOfTheWrite) {
  FakePool full{"full", v1::QUALITY_FULL};
  ClassTable table(SetupsOf({&full}));
  Channel* const drbg = OpenChannel(1);
  Channel* const stored = OpenChannel(2, "default/full");
  stored->Leave();
  stored->Join(table.FindLeaf("full/one"));
  Say();
  EXPECT_EQ(stored->Plan(10), 0u) << "its bytes are for those that can take them now";
  EXPECT_EQ(drbg->Plan(10), 10u);
  session_.outbox()->WriteEnded(0);
  EXPECT_EQ(stored->Plan(10), 10u);
  stored->End();
}

TEST_F(SessionTest, HelloIsDueWithinTenSeconds) {
  session_.Start(kSecondNanos, kNever);
  EXPECT_EQ(session_.Expired(11 * kSecondNanos - 1).cause, SessionEnd::Cause::kNone);
  EXPECT_EQ(session_.Expired(11 * kSecondNanos).cause, SessionEnd::Cause::kNoHello);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ToStatus(session_.Expired(11 * kSecondNanos), "a")));
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  EXPECT_EQ(session_.Expired(100 * kSecondNanos).cause, SessionEnd::Cause::kNone);
}

TEST_F(SessionTest, DrainIsToldOnceAndEndsAtItsDeadline) {
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  Say();
  session_.outbox()->WriteEnded(0);
  session_.BeginDrain("rebalance", 0, 30 * kSecondNanos);
  EXPECT_EQ(session_.phase(), Session::Phase::kDraining);
  EXPECT_EQ(Say(10 * kSecondNanos).drain().deadline_ms(), 20'000u);
  session_.BeginDrain("again", 0, 40 * kSecondNanos);
  EXPECT_EQ(session_.outbox()->news(), 0u) << "a later deadline is no news";
  session_.BeginDrain("sooner", 0, 5 * kSecondNanos);
  EXPECT_EQ(session_.outbox()->news(), Outbox::kDrain);
  EXPECT_EQ(session_.Expired(5 * kSecondNanos - 1).cause, SessionEnd::Cause::kNone);
  EXPECT_TRUE(absl::IsUnavailable(ToStatus(session_.Expired(5 * kSecondNanos), "a")));
  EXPECT_EQ(session_.Expired(5 * kSecondNanos).drain_reason, "sooner");
}

TEST_F(SessionTest, WhoIsDrainedBeforeItsHelloHearsOfItWithTheWelcome) {
  session_.BeginDrain("maintenance", 0, 30 * kSecondNanos);
  EXPECT_EQ(session_.phase(), Session::Phase::kNew);
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  EXPECT_EQ(session_.phase(), Session::Phase::kDraining);
  const v1::ServerMessage head = Say(10 * kSecondNanos);
  EXPECT_TRUE(head.has_welcome());
  EXPECT_EQ(head.drain().reason(), "maintenance");
  EXPECT_EQ(head.drain().deadline_ms(), 20'000u);
}

TEST_F(SessionTest, OnlyTheFirstEndCountsAndItWaitsFiveSecondsForItsLastWrite) {
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  Say();
  session_.End({.cause = SessionEnd::Cause::kReplaced}, kSecondNanos);
  session_.End({.cause = SessionEnd::Cause::kPeerGone}, 2 * kSecondNanos);
  EXPECT_EQ(session_.end().cause, SessionEnd::Cause::kReplaced);
  EXPECT_EQ(session_.outbox()->end_deadline_nanos(), 6 * kSecondNanos);
}

TEST_F(SessionTest, WhoIsShutOutHasHalfASecond) {
  session_.End({.cause = SessionEnd::Cause::kShutOut}, kSecondNanos);
  EXPECT_EQ(session_.outbox()->end_deadline_nanos(), kSecondNanos + 500 * kMillisecondNanos);
}

TEST_F(SessionTest, ItsOwnerHearsThatThereIsSomethingToSend) {
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  Channel* const channel = OpenChannel(1);
  channel->Plan(10);
  EXPECT_EQ(announced_, 1);
}

TEST_F(SessionTest, AnEndGivesBackAllThatWasPlannedAndLeaves) {
  Channel* const channel = OpenChannel(1);
  Channel* const other = OpenChannel(2, "default/silver");
  channel->Plan(100);
  other->Plan(50);
  session_.End({.cause = SessionEnd::Cause::kPeerGone}, 0);
  EXPECT_EQ(budgets_.all.used(), 0u);
  EXPECT_EQ(budgets_.planned.given_back(), 150u);
  EXPECT_EQ(channel->leaf(), nullptr);
  EXPECT_EQ(other->leaf(), nullptr);
  EXPECT_TRUE(session_.outbox()->TakeFinish());
}

TEST_F(SessionTest, WhoIsAskedToLeaveDoesNotMoveByItself) {
  session_.Start(kSecondNanos, 10 * kSecondNanos);
  ASSERT_TRUE(session_.Hello(Hello(), 1).ok());
  EXPECT_TRUE(session_.stay().MoveDue(10 * kSecondNanos));
  session_.BeginDrain("rebalance", 10 * kSecondNanos, 40 * kSecondNanos);
  EXPECT_FALSE(session_.stay().MoveDue(11 * kSecondNanos));
}

TEST_F(SessionTest, ARefusedChannelSaysWhy) {
  Channel* const channel = session_.Open(OpenOf(1)).value();
  channel->Refuse({ClassRefusal::Cause::kUnknown});
  const v1::ServerMessage head = Say();
  ASSERT_EQ(head.state_size(), 1);
  EXPECT_EQ(head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(head.state(0).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_EQ(head.state(0).reason(), "open default/gold: the server has no such class");
  CloseChannel(1);
  EXPECT_FALSE(channel->state_due()) << "closed already";
}

TEST(StayTest, ItMovesWhenItsTimeHasCome) {
  Stay stay;
  stay.Begin(kSecondNanos, 10 * kSecondNanos);
  EXPECT_EQ(stay.begun_nanos(), kSecondNanos);
  EXPECT_FALSE(stay.MoveDue(10 * kSecondNanos - 1));
  EXPECT_TRUE(stay.MoveDue(10 * kSecondNanos));
  EXPECT_TRUE(stay.AskToLeave("rebalance", 10 * kSecondNanos, 40 * kSecondNanos));
  EXPECT_FALSE(stay.MoveDue(11 * kSecondNanos)) << "it was asked already";
}

TEST(StayTest, ItMayStayUntilItIsAsked) {
  Stay stay;
  stay.Begin(0, kNever);
  EXPECT_FALSE(stay.leaves());
  EXPECT_FALSE(stay.Over(kNever - 1));
  EXPECT_EQ(stay.deadline_nanos(), kNever);
}

TEST(StayTest, ItIsOverAtTheDeadline) {
  Stay stay;
  EXPECT_TRUE(stay.AskToLeave("drained", kSecondNanos, 5 * kSecondNanos));
  EXPECT_TRUE(stay.leaves());
  EXPECT_FALSE(stay.Over(5 * kSecondNanos - 1));
  EXPECT_TRUE(stay.Over(5 * kSecondNanos));
}

TEST(StayTest, OnlyASoonerDeadlineIsNews) {
  Stay stay;
  EXPECT_TRUE(stay.AskToLeave("first", 0, 30 * kSecondNanos));
  EXPECT_FALSE(stay.AskToLeave("as soon", 0, 30 * kSecondNanos));
  EXPECT_FALSE(stay.AskToLeave("later", 0, 40 * kSecondNanos));
  EXPECT_EQ(stay.reason(), "first");
  EXPECT_TRUE(stay.AskToLeave("sooner", 0, 5 * kSecondNanos));
  EXPECT_EQ(stay.reason(), "sooner");
  EXPECT_EQ(stay.deadline_nanos(), 5 * kSecondNanos);
}

TEST(StayTest, ADeadlineThatHasPassedIsNow) {
  Stay stay;
  EXPECT_TRUE(stay.AskToLeave("stop", 0, -kSecondNanos));
  EXPECT_EQ(stay.deadline_nanos(), 0);
  EXPECT_TRUE(stay.Over(0));
}

}  // namespace
}  // namespace entropyd
