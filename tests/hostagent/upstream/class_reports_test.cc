#include "hostagent/upstream/class_reports.h"

#include "gtest/gtest.h"
#include "tests/hostagent/upstream/attachment_rig.h"

namespace entropyd {
namespace {

using Kind = UpstreamState::Kind;

class ClassReportsTest : public AttachmentRig {
 protected:
  ClassReportsTest() : reports_(&context_.classes, clock_.NowNanos()), serving_(Dial()) {
    net_.last().Welcome(1 << 20, {Gold()});
    Receive(serving_.get());
  }
  uint32_t Gold() { return net_.last().ChannelOf("default/gold"); }
  uint32_t Bulk() { return net_.last().ChannelOf("default/bulk"); }
  // What the server says of the class with this channel.
  void Say(uint32_t channel, v1::Phase phase, uint32_t code = 0, const std::string& reason = "") {
    net_.last().State(channel, phase, code, false, reason);
    Receive(serving_.get());
  }
  v1::GetStatusResponse Status(const Attachment* serving) {
    v1::GetStatusResponse status;
    reports_.FillStatus(serving, &status);
    return status;
  }

  ClassReports reports_;
  std::unique_ptr<Attachment> serving_;
};

TEST_F(ClassReportsTest, AClassHearsOnlyWhatHasChanged) {
  reports_.Tell(serving_.get());
  reports_.Tell(serving_.get());
  EXPECT_EQ(gold_class_.tellings, 1);
  EXPECT_EQ(gold_class_.told.kind, Kind::kOpen);
  EXPECT_EQ(gold_class_.told.lost_at, kNever);
  EXPECT_EQ(bulk_class_.told.kind, Kind::kAsked) << "the server has said nothing of it";
  Say(Bulk(), v1::PHASE_OPEN);
  reports_.Tell(serving_.get());
  EXPECT_EQ(bulk_class_.tellings, 2);
  EXPECT_EQ(gold_class_.tellings, 1) << "nothing of it has changed";
}

TEST_F(ClassReportsTest, AClassIsLostASecondAfterTheLastServerOrSuspension) {
  const int64_t start = clock_.NowNanos();
  reports_.Tell(nullptr);
  EXPECT_EQ(gold_class_.told.kind, Kind::kGone);
  EXPECT_EQ(gold_class_.told.lost_at, start + kSecondNanos)
      << "there could have been one until then";
  clock_.AdvanceNanos(7 * kSecondNanos);
  Say(Gold(), v1::PHASE_SUSPENDED);
  reports_.Tell(serving_.get());
  EXPECT_EQ(gold_class_.told.kind, Kind::kSuspended);
  EXPECT_EQ(gold_class_.told.lost_at, start + 8 * kSecondNanos);
  clock_.AdvanceNanos(7 * kSecondNanos);
  reports_.Lost(*serving_, clock_.NowNanos());
  reports_.Tell(nullptr);
  EXPECT_EQ(gold_class_.told.lost_at, start + 15 * kSecondNanos);
}

TEST_F(ClassReportsTest, ARefusalSaysWhyAndIsNoLoss) {
  Say(Gold(), v1::PHASE_CLOSED, 7, "not in the policy");
  Say(Bulk(), v1::PHASE_CLOSED, 5);
  reports_.Tell(serving_.get());
  EXPECT_EQ(gold_class_.told, (UpstreamState{Kind::kRefused, kNever, "not in the policy"}));
  EXPECT_EQ(bulk_class_.told, (UpstreamState{Kind::kRefused, kNever, "code 5"}));
}

TEST_F(ClassReportsTest, TheStatusKeepsTheFiguresOfALostServerAndNotItsPhase) {
  ServerMessageView message = net_.last().NewMessage();
  v1::ChannelState* state = FakeWire::AddState(&message, Gold(), v1::PHASE_OPEN);
  state->set_rate(1000);
  state->set_degraded(true);
  net_.last().Push(std::move(message));
  Receive(serving_.get());
  const v1::GetStatusResponse live = Status(serving_.get());
  ASSERT_EQ(live.class__size(), 2);
  EXPECT_EQ(live.class_(0).phase(), v1::PHASE_OPEN);
  EXPECT_EQ(live.class_(0).rate(), 1000u);
  EXPECT_TRUE(live.class_(0).degraded());
  reports_.Lost(*serving_, clock_.NowNanos());
  const v1::GetStatusResponse lost = Status(nullptr);
  EXPECT_EQ(lost.class_(0).phase(), v1::PHASE_UNSPECIFIED);
  EXPECT_EQ(lost.class_(0).reason(), "not attached");
  EXPECT_EQ(lost.class_(0).rate(), 1000u);
  EXPECT_FALSE(lost.class_(0).degraded());
}

}  // namespace
}  // namespace entropyd
