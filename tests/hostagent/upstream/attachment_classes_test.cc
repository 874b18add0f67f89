// What one attachment does for each of its classes. Its life as a whole is in attachment_test.cc,
// streams with servers that come and go are in upstream_test.cc.
#include "gtest/gtest.h"
#include "hostagent/upstream/attachment.h"
#include "tests/hostagent/upstream/attachment_rig.h"

namespace entropyd {
namespace {

class AttachmentClassesTest : public AttachmentRig {
 protected:
  AttachmentClassesTest() : attachment_(Dial()) {
    wire().Welcome(1 << 20, {Gold(), Bulk()});
    Receive(attachment_.get());
  }
  FakeWire& wire() { return net_.last(); }
  uint32_t Gold() { return wire().ChannelOf("default/gold"); }
  uint32_t Bulk() { return wire().ChannelOf("default/bulk"); }
  uint64_t Limit(uint32_t channel) {
    const v1::Line* const line = wire().LastLine(channel);
    return line == nullptr ? 0 : line->limit();
  }

  std::unique_ptr<Attachment> attachment_;
  const Attachment::Class& gold_of_ = context_.classes[0];
  const Attachment::Class& bulk_of_ = context_.classes[1];
};

TEST_F(AttachmentClassesTest, AClassWhoseDemandHasChangedIsCreditedAlone) {
  attachment_->SendDue(bulk_of_);
  EXPECT_GT(Limit(Bulk()), 0u);
  EXPECT_EQ(Limit(Gold()), 0u);
  attachment_->SendDue();
  EXPECT_GT(Limit(Gold()), 0u);
}

TEST_F(AttachmentClassesTest, AClassThatMayNotBeCreditedWaitsAloneUntilItMay) {
  attachment_->AllowCredit(gold_of_, false);
  attachment_->SendDue();
  EXPECT_EQ(Limit(Gold()), 0u);
  EXPECT_GT(Limit(Bulk()), 0u);
  attachment_->AllowCredit(gold_of_, true);
  attachment_->SendDue(gold_of_);
  EXPECT_GT(Limit(Gold()), 0u);
}

TEST_F(AttachmentClassesTest, EachClassHasTheStateThatTheServerToldOfIt) {
  wire().State(Bulk(), v1::PHASE_SUSPENDED);
  wire().State(Gold(), v1::PHASE_CLOSED, 5);
  Receive(attachment_.get());
  EXPECT_EQ(attachment_->state(bulk_of_).phase(), v1::PHASE_SUSPENDED);
  EXPECT_EQ(attachment_->suspended_since(bulk_of_), clock_.NowNanos());
  EXPECT_TRUE(attachment_->HoldsRoom(bulk_of_));
  EXPECT_EQ(attachment_->remedy(bulk_of_), "");
  EXPECT_EQ(attachment_->state(gold_of_).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(attachment_->suspended_since(gold_of_), kNever);
  EXPECT_FALSE(attachment_->HoldsRoom(gold_of_));
  EXPECT_NE(attachment_->remedy(gold_of_), "");
}

TEST_F(AttachmentClassesTest, BytesReachTheClassOfTheirChannelAndOnlyThatIsTold) {
  attachment_->SendDue();
  wire().Grant(Bulk(), 0, std::string(100, 'b'));
  Receive(attachment_.get());
  EXPECT_EQ(bulk_.level(), 100u);
  EXPECT_EQ(bulk_class_.arrivals, 1);
  EXPECT_EQ(gold_.level(), 0u);
  EXPECT_EQ(gold_class_.arrivals, 0);
  EXPECT_EQ(bulk_of_.received_bytes->Value(), 100);
  EXPECT_EQ(gold_of_.received_bytes->Value(), 0);
}

}  // namespace
}  // namespace entropyd
