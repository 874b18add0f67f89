// One stream, without Upstream: who comes and goes decides the test.
#include "hostagent/upstream/attachment.h"

#include <memory>
#include <string>

#include "base/wire/attach_limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/upstream/attachment_rig.h"

namespace entropyd {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class AttachmentTest : public AttachmentRig {
 protected:
  AttachmentTest() : attachment_(Dial()) {}

  FakeWire& wire() { return net_.last(); }
  uint32_t Gold() { return wire().ChannelOf("default/gold"); }
  uint32_t Bulk() { return wire().ChannelOf("default/bulk"); }
  // The server takes the stream, and opens both classes.
  void Open(uint32_t heartbeat_ms = 0) {
    wire().Welcome(1 << 20, {Gold(), Bulk()}, heartbeat_ms);
    Receive(attachment_.get());
    attachment_->SendDue();
  }
  // Receives, and returns the code with which the stream is over.
  absl::StatusCode Ended() {
    Receive(attachment_.get());
    const absl::optional<absl::Status> end = attachment_->ended();
    return end.has_value() ? end->code() : absl::StatusCode::kOk;
  }
  double Refused(const std::string& reason) {
    return metrics_
        .AddCounter("entropyd_agent_upstream_refused_messages_total", "", {{"reason", reason}})
        ->Value();
  }
  uint64_t Limit(uint32_t channel) {
    const v1::Line* const line = wire().LastLine(channel);
    return line == nullptr ? 0 : line->limit();
  }

  const std::unique_ptr<Attachment> attachment_;
  const Attachment::Class& gold_of_ = context_.classes[0];
  const Attachment::Class& bulk_of_ = context_.classes[1];
};

TEST_F(AttachmentTest, ItBeginsWithHelloAndAnOpenForEachClass) {
  ASSERT_THAT(wire().sent, SizeIs(3));
  EXPECT_EQ(wire().sent[0].hello().host_id(), std::string(16, 'h'));
  EXPECT_EQ(wire().sent[0].hello().version_max(), kAttachVersion);
  EXPECT_NE(Gold(), Bulk());
  attachment_->SendDue();
  EXPECT_THAT(wire().sent, SizeIs(3)) << "no credit before the server has said what it takes";
  EXPECT_FALSE(attachment_->ended().has_value());
}

TEST_F(AttachmentTest, AMessageOutOfTurnEndsTheStreamAsAGap) {
  Open();
  ++wire().next_seq;
  wire().Heartbeat();
  EXPECT_EQ(Ended(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(wire().cancelled);
  EXPECT_EQ(Refused("gap"), 1);
  EXPECT_THAT(log_.lines(), Contains(StartsWith("error upstream.message.refused server=a:7743")));
}

TEST_F(AttachmentTest, MoreThanWasPromisedEndsTheStreamAndNoByteOfItIsStored) {
  Open();
  wire().Grant(Gold(), 0, std::string(Limit(Gold()) + 1, 'x'));
  EXPECT_EQ(Ended(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(Refused("excess"), 1);
  EXPECT_EQ(gold_.level(), 0u);
  EXPECT_EQ(gold_class_.arrivals, 0);
}

TEST_F(AttachmentTest, WhatIsNoMessageEndsTheStream) {
  Open();
  wire().malformed = true;
  wire().Heartbeat();
  EXPECT_EQ(Ended(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refused("malformed"), 1);
}

TEST_F(AttachmentTest, WhatComesAfterARefusedMessageIsNotStored) {
  Open();
  wire().malformed = true;
  wire().Heartbeat();
  wire().Grant(Gold(), 0, "late");
  EXPECT_EQ(Ended(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(gold_.level(), 0u);
  EXPECT_EQ(attachment_->next_deadline_nanos(), kNever) << "nothing is to be done any more";
}

TEST_F(AttachmentTest, TheServersOwnEndComesAfterAllThatItSent) {
  Open();
  wire().Grant(Gold(), 0, "last");
  wire().End(absl::UnavailableError("going\naway"));
  EXPECT_FALSE(attachment_->ended().has_value()) << "the bytes have not been handled yet";
  EXPECT_EQ(Ended(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(gold_.level(), 4u);
  EXPECT_THAT(std::string(attachment_->ended()->message()), testing::Not(HasSubstr("\n")))
      << "people read it";
}

TEST_F(AttachmentTest, AClassHearsOfItsBytesOnceTheyAreInItsBuffer) {
  Open();
  size_t seen = 0;
  gold_class_.on_arrival = [&] { seen = gold_.level(); };
  wire().Grant(Gold(), 0, "four");
  EXPECT_FALSE(attachment_->Receive(8)) << "no more is there";
  EXPECT_EQ(seen, 4u);
  EXPECT_EQ(bulk_class_.arrivals, 0);
  wire().Heartbeat();
  wire().Heartbeat();
  EXPECT_TRUE(attachment_->Receive(1)) << "it stopped because of the maximum";
}

// level + promised <= size: with two streams, for their sum.
TEST_F(AttachmentTest, CreditIsNeverMoreThanTheBufferHasRoomFor) {
  Open();
  EXPECT_EQ(Limit(Gold()), gold_.size());
  wire().Grant(Gold(), 0, std::string(1000, 'x'));
  Receive(attachment_.get());
  attachment_->SendDue();
  EXPECT_EQ(Limit(Gold()), gold_.size()) << "what came is in the buffer, and promised no more";
  std::vector<uint8_t> out(600);
  gold_.Take(absl::MakeSpan(out));
  attachment_->SendDue();
  EXPECT_EQ(Limit(Gold()), gold_.size() + 600);
}

TEST_F(AttachmentTest, AClassThatMayNotBeCreditedGetsNone) {
  attachment_->AllowCredit(gold_of_, false);
  Open();
  EXPECT_EQ(Limit(Gold()), 0u);
  EXPECT_EQ(Limit(Bulk()), bulk_.size());
  attachment_->AllowCredit(gold_of_, true);
  attachment_->SendDue(gold_of_);
  EXPECT_EQ(Limit(Gold()), gold_.size());
}

TEST_F(AttachmentTest, OneCreditIsOnItsWayAtATime) {
  Open();
  const size_t before = wire().CreditMessages();
  wire().blocked = true;
  std::vector<uint8_t> out(100);
  for (int i = 0; i < 3; ++i) {
    wire().Grant(Gold(), 100 * i, std::string(100, 'x'));
    Receive(attachment_.get());
    gold_.Take(absl::MakeSpan(out));
    attachment_->SendDue();
  }
  EXPECT_EQ(wire().CreditMessages(), before + 1);
  wire().Unblock();
  attachment_->SendDue();
  EXPECT_EQ(wire().CreditMessages(), before + 2);
  EXPECT_EQ(Limit(Gold()), gold_.size() + 300) << "with the newest numbers";
}

TEST_F(AttachmentTest, ADiscardEmptiesTheBufferOfItsClassOnly) {
  Open();
  gold_.Fill(10);
  bulk_.Fill(10);
  wire().State(Gold(), v1::PHASE_SUSPENDED, 14, /*discard=*/true, "its source failed");
  Receive(attachment_.get());
  EXPECT_EQ(gold_.level(), 0u);
  EXPECT_EQ(bulk_.level(), 10u);
  EXPECT_EQ(attachment_->suspended_since(gold_of_), clock_.NowNanos());
  EXPECT_EQ(attachment_->suspended_since(bulk_of_), kNever);
}

TEST_F(AttachmentTest, AClosedClassHoldsNoRoomHasARemedyAndIsAskedForAgain) {
  Open();
  const uint32_t first = Gold();
  EXPECT_EQ(attachment_->remedy(gold_of_), "");
  wire().State(first, v1::PHASE_CLOSED, static_cast<uint32_t>(absl::StatusCode::kNotFound));
  Receive(attachment_.get());
  EXPECT_FALSE(attachment_->HoldsRoom(gold_of_));
  EXPECT_TRUE(attachment_->HoldsAnyRoom());
  EXPECT_THAT(attachment_->remedy(gold_of_), HasSubstr("name a class of the server"));
  clock_.AdvanceNanos(attachment_->next_deadline_nanos() - clock_.NowNanos() - 1);
  attachment_->SendDue();
  EXPECT_EQ(Gold(), first);
  clock_.AdvanceNanos(1);
  attachment_->SendDue();
  EXPECT_NE(Gold(), first);
  EXPECT_TRUE(attachment_->HoldsRoom(gold_of_));
}

TEST_F(AttachmentTest, WithoutAPromiseAServerIsNeverSilent) {
  Open();
  clock_.AdvanceNanos(kHourNanos);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_EQ(attachment_->silent_since(), kNever);
  EXPECT_FALSE(wire().cancelled);
}

TEST_F(AttachmentTest, AServerThatPromisedHeartbeatsIsSilentAndGivenUpInTheEnd) {
  Open(/*heartbeat_ms=*/3'000);
  const int64_t silent_at = clock_.NowNanos() + Attachment::kSilencePatienceNanos;
  clock_.AdvanceNanos(Attachment::kSilencePatienceNanos - 1);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_EQ(attachment_->silent_since(), kNever);
  clock_.AdvanceNanos(1);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_EQ(attachment_->silent_since(), silent_at);
  clock_.AdvanceNanos(Attachment::kGiveUpNanos - 1);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_FALSE(wire().cancelled);
  clock_.AdvanceNanos(1);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_TRUE(wire().cancelled);
  EXPECT_EQ(Ended(), absl::StatusCode::kUnavailable);
}

TEST_F(AttachmentTest, AWordOfTheServerEndsItsSilence) {
  Open(/*heartbeat_ms=*/3'000);
  clock_.AdvanceNanos(Attachment::kSilencePatienceNanos);
  attachment_->NoteSilence(clock_.NowNanos());
  ASSERT_NE(attachment_->silent_since(), kNever);
  wire().Heartbeat();
  Receive(attachment_.get());
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_EQ(attachment_->silent_since(), kNever);
}

TEST_F(AttachmentTest, AProcessThatStoodStillItselfLooksOnceMore) {
  Open(/*heartbeat_ms=*/3'000);
  clock_.AdvanceNanos(kMinuteNanos);
  attachment_->NoteSilence(clock_.NowNanos());
  EXPECT_EQ(attachment_->silent_since(), kNever) << "what came meanwhile may not be read yet";
  EXPECT_FALSE(wire().cancelled);
}

TEST_F(AttachmentTest, WhoLeavesClosesAllChannelsAndHalfClosesWhenTheServerHas) {
  Open();
  attachment_->Leave();
  EXPECT_EQ(wire().sent.end()[-1].close().channel() + wire().sent.end()[-2].close().channel(),
            Gold() + Bulk());
  const size_t credits = wire().CreditMessages();
  attachment_->SendDue();
  EXPECT_FALSE(wire().half_closed);
  wire().State(Gold(), v1::PHASE_CLOSED);
  wire().State(Bulk(), v1::PHASE_CLOSED);
  Receive(attachment_.get());
  attachment_->SendDue();
  EXPECT_TRUE(wire().half_closed);
  EXPECT_FALSE(attachment_->HoldsAnyRoom());
  EXPECT_EQ(wire().CreditMessages(), credits) << "no credit after Close";
  EXPECT_THAT(log_.lines(), Each(Not(HasSubstr("PHASE_CLOSED")))) << "nobody was refused";
}

TEST_F(AttachmentTest, ADrainAndTheLastChannelAskForAReplacement) {
  Open();
  EXPECT_FALSE(attachment_->wants_replacement());
  wire().Drain(1'000);
  Receive(attachment_.get());
  EXPECT_TRUE(attachment_->wants_replacement());
  ASSERT_TRUE(attachment_->drain().has_value());
  EXPECT_EQ(attachment_->drain()->deadline_ms(), 1'000u);

  const std::unique_ptr<Attachment> worn = Dial();
  wire().Welcome(1 << 20, {Gold(), Bulk()});
  Receive(worn.get());
  for (uint32_t used = 2; used < kMaxChannels; ++used) {
    wire().State(Gold(), v1::PHASE_CLOSED, 5);
    Receive(worn.get());
    clock_.AdvanceNanos(kMinuteNanos);
    worn->SendDue();
  }
  EXPECT_FALSE(worn->wants_replacement());
  wire().State(Gold(), v1::PHASE_CLOSED, 5);
  Receive(worn.get());
  clock_.AdvanceNanos(kMinuteNanos);
  worn->SendDue();
  EXPECT_TRUE(worn->wants_replacement());
}

}  // namespace
}  // namespace entropyd
