#include "hostagent/upstream/named_stream.h"

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_server.h"

namespace entropyd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class NamedStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    stream_.emplace(
        &lookup_, "a:7743",
        [this] {
          ++wakes_;
          if (!woken_.HasBeenNotified()) woken_.Notify();
        },
        [this](const NameLookup::Answer& answer) -> absl::StatusOr<std::unique_ptr<EntropyStream>> {
          if (!answer.ok()) return answer.status();
          return net_.Dial("a:7743", [] {});
        },
        [this](const NameLookup::Addresses& found) { heard_.push_back(found); });
  }
  ~NamedStreamTest() override {
    if (!held_->go.HasBeenNotified()) held_->go.Notify();
  }
  void Answer(NameLookup::Answer answer) {
    held_->answer = std::move(answer);
    held_->go.Notify();
    woken_.WaitForNotification();
  }
  static v1::AgentMessage Hello() {
    v1::AgentMessage message;
    message.mutable_hello()->set_version_min(1);
    return message;
  }

  struct Held {
    absl::Notification go;
    NameLookup::Answer answer = absl::UnavailableError("not said");
  };
  const std::shared_ptr<Held> held_ = std::make_shared<Held>();
  NameLookup lookup_{[held = held_](const std::string&) {
                       held->go.WaitForNotification();
                       return held->answer;
                     },
                     absl::Seconds(60)};
  FakeNet net_;
  int wakes_ = 0;
  absl::Notification woken_;
  std::vector<NameLookup::Addresses> heard_;
  absl::optional<NamedStream> stream_;
};

TEST_F(NamedStreamTest, WhatIsSentBeforeTheNameIsKnownIsNotLost) {
  EXPECT_TRUE(stream_->Send(Hello()));
  EXPECT_EQ(stream_->unsent(), 1u);
  EXPECT_EQ(stream_->TryNext(), nullptr);
  EXPECT_FALSE(stream_->connected());
  EXPECT_FALSE(stream_->finished().has_value());
  Answer(NameLookup::Addresses{"192.0.2.7:7743"});
  EXPECT_EQ(stream_->TryNext(), nullptr);
  ASSERT_EQ(net_.last().sent.size(), 1u);
  EXPECT_TRUE(net_.last().sent[0].has_hello());
  EXPECT_EQ(stream_->unsent(), 0u);
  EXPECT_TRUE(stream_->connected());
}

TEST_F(NamedStreamTest, AddressesAreGoodWhenTheServerHasSpokenThere) {
  Answer(NameLookup::Addresses{"192.0.2.7:7743"});
  EXPECT_EQ(stream_->TryNext(), nullptr);
  EXPECT_THAT(heard_, IsEmpty());
  net_.last().Welcome();
  net_.last().Heartbeat();
  EXPECT_NE(stream_->TryNext(), nullptr);
  EXPECT_NE(stream_->TryNext(), nullptr);
  EXPECT_THAT(heard_, ElementsAre(ElementsAre("192.0.2.7:7743")));
}

TEST_F(NamedStreamTest, WhoSpeaksSomethingElseThereIsNoServer) {
  Answer(NameLookup::Addresses{"192.0.2.7:7743"});
  EXPECT_EQ(stream_->TryNext(), nullptr);
  net_.last().malformed = true;
  net_.last().Welcome();
  EXPECT_NE(stream_->TryNext(), nullptr);
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(NamedStreamTest, ANameThatLeadsNowhereIsHowItEnds) {
  Answer(absl::UnavailableError("look up the name a: no"));
  EXPECT_EQ(stream_->TryNext(), nullptr);
  ASSERT_TRUE(stream_->finished().has_value());
  EXPECT_EQ(stream_->finished()->message(), "look up the name a: no");
  EXPECT_FALSE(stream_->Send(Hello()));
}

TEST_F(NamedStreamTest, AnEndBeforeTheAnswerWakesNobodyLater) {
  stream_->Cancel();
  EXPECT_TRUE(absl::IsCancelled(*stream_->finished()));
  stream_.reset();
  held_->go.Notify();
  // The lookup of another name comes after, so the answer has been given.
  EXPECT_FALSE(lookup_.Find("a:7743").ok());
  EXPECT_EQ(wakes_, 0);
}

}  // namespace
}  // namespace entropyd
