// The giver against a scripted successor that dies, hangs or sends nonsense at every step.
#include "hostagent/handover/giver.h"

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/handover/handover_rig.h"

namespace entropyd {
namespace {

using testing::HasSubstr;

class HandoverGiverTest : public HandoverRig {};

TEST_F(HandoverGiverTest, TheSocketIsForItsUserOnly) {
  struct stat found;
  ASSERT_EQ(stat(path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(HandoverGiverTest, AnotherFormatIsRefusedBeforeAnythingIsGivenUp) {
  Client client = Connect(Bytes{0x02, 8});
  for (const Message& begin : {Begin(kHandoverFormat + 1, kHandoverFormat + 3), Begin(0, 0)}) {
    auto link = Reach();
    Say(link.get(), begin);
    Turn(&old_);
    Turn(&old_);
    auto answer = link->Receive(Soon());
    ASSERT_TRUE(answer.ok() && answer->message.has_refusal());
    EXPECT_THAT(answer->message.refusal().reason(), HasSubstr("version 9.9 takes"));
    EXPECT_EQ(calls_, "");
  }
  ExpectServesOn(&client);
}

TEST_F(HandoverGiverTest, ASuccessorThatComesWhenTheAgentCannotLeaveItsServerLearnsWhy) {
  Client client = Connect(Bytes{0x02, 8});
  may_leave_ = absl::AbortedError("not now");
  auto link = Reach();
  Say(link.get(), Begin());
  Turn(&old_);
  Turn(&old_);
  auto answer = link->Receive(Soon());
  ASSERT_TRUE(answer.ok() && answer->message.has_refusal());
  EXPECT_EQ(answer->message.refusal().reason(), "not now");
  EXPECT_EQ(calls_, "leave ") << "it has not left, so it need not return";
  ExpectServesOn(&client);
  may_leave_ = absl::OkStatus();
  Offered();
}

TEST_F(HandoverGiverTest, ASecondSuccessorIsRefusedAndTheFirstGoesOn) {
  auto first = Offered();
  auto second = Reach();
  Turn(&old_);
  EXPECT_TRUE(second->Receive(Soon())->message.has_refusal());
  EXPECT_EQ(calls_, "leave ");
}

TEST_F(HandoverGiverTest, M13_ASuccessorThatDiesAtAnyStepBeforeGoChangesNothing) {
  for (int step = 0; step < 6; ++step) {
    Client client = Connect(Bytes{0x02, 8});
    calls_.clear();
    While([&] {
      auto link = Reach();
      if (step == 0) return;
      Say(link.get(), Begin());
      if (step == 1) return;
      link->Receive(Soon()).status().IgnoreError();
      if (step == 2) return;
      Say(link.get(), Request());
      if (step == 3) return;
      link->Receive(Soon()).status().IgnoreError();
      if (step == 4) return;
      link->Receive(Soon()).status().IgnoreError();
    });
    EXPECT_EQ(calls_, step < 1 ? "" : "leave return ") << step;
    ExpectServesOn(&client);
  }
}

TEST_F(HandoverGiverTest, M13_ASuccessorThatTalksNonsenseAtAnyStepChangesNothing) {
  for (int step = 0; step < 3; ++step) {
    Client client = Connect(Bytes{0x02, 8});
    calls_.clear();
    While([&] {
      auto link = Reach();
      if (step > 0) {
        Say(link.get(), Begin());
        link->Receive(Soon()).status().IgnoreError();
      }
      if (step > 1) {
        Say(link.get(), Request());
        link->Receive(Soon()).status().IgnoreError();
        link->Receive(Soon()).status().IgnoreError();
      }
      Say(link.get(), step == 0 ? Prepared() : Begin());
      EXPECT_TRUE(absl::IsUnavailable(link->Receive(Soon()).status()));
    });
    EXPECT_EQ(calls_, step == 0 ? "" : "leave return ") << step;
    ExpectServesOn(&client);
  }
}

TEST_F(HandoverGiverTest, ASuccessorThatHangsIsGivenUpAtEveryStep) {
  Client client = Connect(Bytes{0x02, 8});
  auto silent = Reach();
  Turn(&old_);
  Turn(&old_, 2 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "");
  auto offered = Offered();
  Turn(&old_, 20 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "leave return ");
  EXPECT_TRUE(absl::IsDeadlineExceeded(why_));
  calls_.clear();
  auto never_prepared = Offered();
  Say(never_prepared.get(), Request());
  EXPECT_LE(HandoverGiver::kGivePatience, absl::Seconds(2)) << "the guests wait meanwhile";
  Turn(&old_);
  EXPECT_EQ(calls_, "leave return ");
  ExpectServesOn(&client);
}

TEST_F(HandoverGiverTest, M13_OneProcessServesWhateverTheSuccessorDoesAfterPrepared) {
  // It dies before Go reaches it. Either Go cannot be sent, or it was sent and the guests are the
  // successor's.
  for (bool closes : {true, false}) {
    if (giver_->given()) break;
    Client client = Connect(Bytes{0x02, 8});
    While([&] {
      auto link = Reach();
      Say(link.get(), Begin());
      link->Receive(Soon()).status().IgnoreError();
      if (closes) link->StopReceiving();
      link->Send(Request(), {}, Soon()).IgnoreError();
      link->Send(Prepared(), {}, Soon()).IgnoreError();
      while (!closes) {
        const auto answer = link->Receive(Soon());
        if (!answer.ok() || answer->message.has_go()) break;
      }
    });
    EXPECT_EQ(giver_->given(), !closes);
    if (closes) ExpectServesOn(&client);
    EXPECT_EQ(old_.host->connections()->size() == 0, giver_->given());
  }
  EXPECT_THAT(calls_, testing::EndsWith("given released "));
}

// From here on: an agent that somebody stops.

absl::Status Stopping() { return absl::AbortedError("this agent is stopping"); }

TEST_F(HandoverGiverTest, WhoComesWhileItRefusesLearnsWhy) {
  giver_->Refuse(Stopping());
  for (int i = 0; i < 2; ++i) {
    auto link = Reach();
    link->Send(Begin(), {}, Soon()).IgnoreError();
    Turn(&old_);
    auto answer = link->Receive(Soon());
    ASSERT_TRUE(answer.ok() && answer->message.has_refusal()) << answer.status();
    EXPECT_EQ(answer->message.refusal().reason(), "this agent is stopping");
  }
  EXPECT_EQ(calls_, "");
}

TEST_F(HandoverGiverTest, AnOfferIsTakenBackAndTheServerIsNotReturnedTo) {
  auto successor = Offered();
  giver_->Refuse(Stopping());
  EXPECT_EQ(successor->Receive(Soon())->message.refusal().reason(), "this agent is stopping");
  EXPECT_TRUE(absl::IsUnavailable(successor->Receive(Soon()).status()));
  Turn(&old_, 20 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "leave ");
  EXPECT_FALSE(giver_->given());
}

TEST_F(HandoverGiverTest, ASuccessorThatHasNotBegunIsRefusedToo) {
  auto successor = Reach();
  Turn(&old_);
  giver_->Refuse(Stopping());
  EXPECT_EQ(successor->Receive(Soon())->message.refusal().reason(), "this agent is stopping");
  Turn(&old_, 2 * kSecondNanos + 1);
  EXPECT_EQ(calls_, "");
}

TEST_F(HandoverGiverTest, ARequestThatCrossesARefusalTakesNothing) {
  Client client = Connect(Bytes{0x02, 8});
  auto successor = Offered();
  Say(successor.get(), Request());
  giver_->Refuse(Stopping());
  Turn(&old_);
  EXPECT_EQ(calls_, "leave ");
  ExpectServesOn(&client);
}

TEST_F(HandoverGiverTest, WhatWasGivenCannotBeRefused) {
  auto successor = Offered();
  Say(successor.get(), Request());
  Say(successor.get(), Prepared());
  Turn(&old_);
  ASSERT_TRUE(giver_->given());
  giver_->Refuse(Stopping());
  EXPECT_TRUE(giver_->given());
  Message serving;
  serving.mutable_serving();
  Say(successor.get(), serving);
  Turn(&old_);
  EXPECT_EQ(calls_, "leave given released ");
}

}  // namespace
}  // namespace entropyd
