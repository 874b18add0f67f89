// One stream of the agent: what it asks for, what it gets, what it refuses, and what its classes
// are told.
#include "hostagent/upstream/upstream.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/upstream/upstream_fixture.h"

namespace entropyd {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Kind = UpstreamState::Kind;
using UpstreamTest = UpstreamFixture;

TEST_F(UpstreamTest, HelloComesFirstThenAnOpenPerClass) {
  Start();
  const std::vector<v1::AgentMessage>& sent = net_.last().sent;
  ASSERT_EQ(sent.size(), 3u);
  EXPECT_EQ(sent[0].hello().version_min(), 1u);
  EXPECT_EQ(sent[0].hello().version_max(), 1u);
  EXPECT_EQ(sent[0].hello().host_id(), std::string(16, 'h'));
  EXPECT_EQ(sent[1].open().class_(), "default/gold");
  EXPECT_EQ(sent[1].open().channel(), 1u);
  EXPECT_EQ(sent[2].open().class_(), "default/bulk");
  EXPECT_EQ(sent[2].open().channel(), 2u);
}

TEST_F(UpstreamTest, NoCreditBeforeWelcomeAndTheChannelsAnswer) {
  Start();
  Want(gold_.get(), 1, 64);
  EXPECT_EQ(net_.last().CreditMessages(), 0u);
  net_.last().Welcome();
  upstream_->Process();
  EXPECT_EQ(net_.last().CreditMessages(), 0u);
  net_.last().State(1, v1::PHASE_SUSPENDED);
  upstream_->Process();
  ASSERT_NE(net_.last().LastLine(1), nullptr);
  EXPECT_EQ(net_.last().LastLine(1)->limit(), kMin);
  EXPECT_EQ(net_.last().LastLine(1)->guests(), 1u);
}

TEST_F(UpstreamTest, GrantsReachTheBufferInOrderAndAreAnnounced) {
  Attach();
  Want(gold_.get(), 1, 0);
  net_.last().Grant(1, 0, "0123456789");
  net_.last().Grant(1, 10, "abc");
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(arrivals_, (std::vector<size_t>{0, 0}));
  uint8_t out[13];
  ASSERT_EQ(gold_->Take(absl::MakeSpan(out)), 13u);
  EXPECT_EQ(std::string(out, out + 13), "0123456789abc");
  EXPECT_EQ(MetricOf("entropyd_agent_upstream_received_bytes_total", {{"class", "default/gold"}}),
            13);
}

TEST_F(UpstreamTest, ATurnHandlesAFewMessagesAndTheOthersWakeTheNextOne) {
  Attach();
  Want(gold_.get(), 1, 0);
  for (uint64_t i = 0; i < 6; ++i) net_.last().Grant(1, 10 * i, std::string(10, 'x'));
  upstream_->Process();
  EXPECT_EQ(arrivals_.size(), 4u) << "guests are served in between";
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(arrivals_.size(), 6u);
  EXPECT_FALSE(Awake());
}

TEST_F(UpstreamTest, DemandOfAnEmptyBufferIsCreditedAtOnce) {
  Attach();
  const size_t before = net_.last().CreditMessages();
  Want(gold_.get(), 4, 5000);
  EXPECT_EQ(net_.last().CreditMessages(), before + 1);
  EXPECT_EQ(net_.last().LastLine(1)->limit(), 5000u);
  EXPECT_EQ(net_.last().LastLine(1)->guests(), 4u);
}

TEST_F(UpstreamTest, OneCreditIsUnderWayAtATimeAndTheNextCarriesTheNewestNumbers) {
  Attach();
  net_.last().blocked = true;
  Want(gold_.get(), 1, 0);
  const size_t credits = net_.last().CreditMessages();
  for (uint64_t owed = 2000; owed < 20000; owed += 1000) Want(gold_.get(), 1, owed);
  EXPECT_EQ(net_.last().CreditMessages(), credits);
  net_.last().Unblock();
  EXPECT_TRUE(Awake());
  upstream_->Process();
  EXPECT_EQ(net_.last().CreditMessages(), credits + 1);
  EXPECT_EQ(net_.last().LastLine(1)->limit(), 19000u);
}

TEST_F(UpstreamTest, BareAcksComeEveryTenthOfASecondAtMost) {
  Attach();
  Want(gold_.get(), 1, 10'000);
  uint64_t offset = 0;
  const size_t credits = net_.last().CreditMessages();
  for (int i = 0; i < 40; ++i) {  // 200 ms
    net_.last().Grant(1, offset, std::string(10, 'x'));
    offset += 10;
    Wait(absl::Milliseconds(5));
  }
  EXPECT_EQ(net_.last().CreditMessages(), credits + 2);
  Run(absl::Milliseconds(200));
  EXPECT_EQ(net_.last().LastLine(1)->received(), offset);
}

TEST_F(UpstreamTest, AChangedNumberOfGuestsIsTold) {
  Attach();
  Want(gold_.get(), 1, 0);
  Want(gold_.get(), 7, 0);
  Run(absl::Milliseconds(100));
  EXPECT_EQ(net_.last().LastLine(1)->guests(), 7u);
}

TEST_F(UpstreamTest, TheNumberOfWaitingGuestsIsTold) {
  Attach();
  Want(gold_.get(), 7, 0);
  Run(absl::Milliseconds(200));
  ASSERT_TRUE(net_.last().LastLine(1)->has_waiting_guests());
  EXPECT_EQ(net_.last().LastLine(1)->waiting_guests(), 0u);
  gold_->SetDemand({.guests = 7, .waiting_guests = 3});
  Run(absl::Milliseconds(100));
  EXPECT_EQ(net_.last().LastLine(1)->waiting_guests(), 3u);
  EXPECT_EQ(net_.last().LastLine(1)->guests(), 7u);
}

TEST_F(UpstreamTest, AnIdleAttachmentSleepsASecondAtATime) {
  Attach();
  Want(gold_.get(), 1, 0);
  net_.last().Grant(1, 0, std::string(kMin, 'x'));
  upstream_->Process();
  Run(absl::Seconds(2));
  const int64_t wait = upstream_->next_deadline_nanos() - clock_.NowNanos();
  EXPECT_GT(wait, 0);
  const size_t messages = net_.last().sent.size();
  Run(absl::Seconds(20));
  EXPECT_EQ(net_.last().sent.size(), messages);
}

TEST_F(UpstreamTest, RefusedMessagesCancelTheStreamAndCountByReason) {
  const struct {
    const char* reason;
    std::function<void(FakeWire*)> offence;
  } kCases[] = {
      {"gap", [](FakeWire* w) { w->Grant(1, 5, "x"); }},
      {"gap", [](FakeWire* w) { ++w->next_seq, w->Grant(1, 0, "x"); }},
      {"excess", [](FakeWire* w) { w->Grant(1, 0, std::string(kMin + 1, 'x')); }},
      {"malformed", [](FakeWire* w) { w->Grant(9, 0, "x"); }},
      {"malformed", [](FakeWire* w) { w->malformed = true, w->Grant(1, 0, "x"); }},
  };
  for (const auto& c : kCases) {
    gold_->SetDemand({1, 0});
    Attach();
    const double refused =
        MetricOf("entropyd_agent_upstream_refused_messages_total", {{"reason", c.reason}});
    c.offence(&net_.last());
    net_.last().Grant(1, 0, "never used");
    upstream_->Process();
    EXPECT_TRUE(net_.last().cancelled);
    EXPECT_EQ(gold_->level(), 0u);
    EXPECT_FALSE(upstream_->connected());
    EXPECT_EQ(MetricOf("entropyd_agent_upstream_refused_messages_total", {{"reason", c.reason}}),
              refused + 1);
    // Not before a minute has passed.
    const size_t dials = net_.dialled.size();
    Run(absl::Seconds(59));
    EXPECT_EQ(net_.dialled.size(), dials);
    Run(absl::Seconds(2));
    EXPECT_EQ(net_.dialled.size(), dials + 1);
  }
}

TEST_F(UpstreamTest, AStreamsEndVoidsItsPromisesAndOffsetsBeginAnew) {
  Attach();
  Want(gold_.get(), 1, kSize);
  net_.last().Grant(1, 0, std::string(1000, 'x'));
  upstream_->Process();
  EndStream(absl::UnavailableError("gone"));
  EXPECT_EQ(gold_->level(), 1000u);  // the buffer serves on
  Run(absl::Seconds(1));
  Welcome();
  ASSERT_NE(net_.last().LastLine(1), nullptr);
  EXPECT_EQ(net_.last().LastLine(1)->received(), 0u);
  EXPECT_EQ(net_.last().LastLine(1)->limit(), kSize - 1000);
  EXPECT_EQ(Status().reconnects(), 1u);
}

TEST_F(UpstreamTest, AClosedClassIsOpenedAgainAfterThirtySecondsGiveOrTakeHalf) {
  for (double uniform : {0.0, 0.999}) {
    uniform_ = uniform;
    Attach();
    Want(gold_.get(), 1, 64);
    net_.last().State(1, v1::PHASE_CLOSED, 7);
    upstream_->Process();
    EXPECT_EQ(Status().class_(0).phase(), v1::PHASE_CLOSED);
    EXPECT_EQ(Status().class_(1).phase(), v1::PHASE_OPEN);
    Run(uniform == 0.0 ? absl::Milliseconds(14'900) : absl::Milliseconds(44'900));
    EXPECT_EQ(net_.last().ChannelOf("default/gold"), 1u);
    Run(absl::Milliseconds(200));
    EXPECT_EQ(net_.last().ChannelOf("default/gold"), 3u);
    net_.last().State(3, v1::PHASE_OPEN);
    upstream_->Process();
    ASSERT_NE(net_.last().LastLine(3), nullptr);
    EXPECT_EQ(net_.last().LastLine(3)->limit(), kMin);
    EXPECT_EQ(net_.last().LastLine(3)->received(), 0u);
    upstream_.reset();
  }
}

TEST_F(UpstreamTest, WhatCameOfAClassIsAcknowledgedThoughTheServerHasClosedIt) {
  Attach();
  Want(gold_.get(), 1, 100);
  Run(absl::Milliseconds(200));
  net_.last().Grant(1, 0, std::string(100, 'x'));
  net_.last().State(1, v1::PHASE_CLOSED, 7);
  upstream_->Process();
  Run(absl::Milliseconds(200));
  EXPECT_EQ(net_.last().LastLine(1)->received(), 100u);
  const size_t credits = net_.last().CreditMessages();
  Want(gold_.get(), 2, 300);
  Run(absl::Seconds(1));
  EXPECT_EQ(net_.last().CreditMessages(), credits) << "a class that is closed wants nothing";
}

TEST_F(UpstreamTest, WhatCameIsAcknowledgedBeforeTheClassIsOpenedAgain) {
  Attach();
  Want(gold_.get(), 1, 100);
  net_.last().blocked = true;
  Run(absl::Milliseconds(200));
  Want(bulk_.get(), 1, 100);
  ASSERT_GT(net_.last().unsent, 0u);
  net_.last().Grant(1, 0, std::string(100, 'x'));
  net_.last().State(1, v1::PHASE_CLOSED, 7);
  upstream_->Process();
  Run(absl::Seconds(46));
  ASSERT_EQ(net_.last().ChannelOf("default/gold"), 3u);
  EXPECT_EQ(net_.last().LastLine(1)->received(), 100u);
}

TEST_F(UpstreamTest, AClassThatTheServerRefusesIsAWarningThatSaysWhatToDo) {
  Attach();
  const std::map<uint32_t, std::string> remedies = {
      {5, "name a class of the server in this agent's configuration"},
      {7, "allow the class to this host in `policy` of the server"},
      {9, "asked for every half a minute"}};
  for (const auto& [code, remedy] : remedies) {
    const uint32_t channel = net_.last().ChannelOf("default/gold");
    net_.last().State(channel, v1::PHASE_OPEN);
    net_.last().State(channel, v1::PHASE_CLOSED, code);
    upstream_->Process();
    const std::string line = log_.lines().back();
    EXPECT_THAT(line, StartsWith("warning class.phase class=default/gold server=a:7743 "
                                 "phase=PHASE_CLOSED"));
    EXPECT_THAT(line, HasSubstr(remedy));
    Run(absl::Seconds(31));  // it asks again
  }
}

TEST_F(UpstreamTest, AClassThatIsRefusedHasItsRemedyInTheStatus) {
  Attach();
  EXPECT_EQ(Status().class_(0).remedy(), "");
  net_.last().State(1, v1::PHASE_CLOSED, 5);
  upstream_->Process();
  EXPECT_THAT(Status().class_(0).remedy(), HasSubstr("name a class of the server"));
  EXPECT_EQ(Status().class_(1).remedy(), "");
  net_.last().End(absl::UnavailableError("gone"));
  upstream_->Process();
  EXPECT_EQ(Status().class_(0).remedy(), "") << "nobody says so now";
}

TEST_F(UpstreamTest, AClassThatIsRefusedAgainIsNotToldAgain) {
  Attach();
  net_.last().State(1, v1::PHASE_CLOSED, 5);
  upstream_->Process();
  const size_t told = log_.lines().size();
  Run(absl::Seconds(31));
  ASSERT_EQ(net_.last().ChannelOf("default/gold"), 3u);
  net_.last().State(3, v1::PHASE_CLOSED, 5);
  upstream_->Process();
  EXPECT_EQ(log_.lines().size(), told);
}

TEST_F(UpstreamTest, AClassThatIsClosedBecauseTheAgentLeavesIsNoWarning) {
  Attach();
  upstream_->Suspend();
  net_.last().State(1, v1::PHASE_CLOSED);
  upstream_->Process();
  EXPECT_THAT(log_.lines(), Contains(StartsWith("info class.phase class=default/gold")));
  EXPECT_THAT(log_.lines(), Each(Not(StartsWith("warning"))));
}

TEST_F(UpstreamTest, AStreamThatRanOutOfChannelsIsReplaced) {
  Attach();
  for (int i = 0; i < 70 && net_.wires.size() == 1; ++i) {
    net_.last().State(net_.last().ChannelOf("default/gold"), v1::PHASE_CLOSED, 7);
    upstream_->Process();
    Run(absl::Seconds(31));
  }
  ASSERT_GE(net_.wires.size(), 2u);
  EXPECT_EQ(net_.wires[0]->ChannelOf("default/gold"), 64u);
  EXPECT_EQ(net_.wires[1]->ChannelOf("default/gold"), 1u);
}

// Nothing else happens on this stream: no other class, no more news.
TEST_F(UpstreamTest, AStreamIsReplacedByItselfWhenItsLastChannelIsUsed) {
  Attach();
  for (int i = 0; i < 70 && net_.last().ChannelOf("default/gold") < 64; ++i) {
    net_.last().State(net_.last().ChannelOf("default/gold"), v1::PHASE_CLOSED, 7);
    upstream_->Process();
    Run(absl::Seconds(31));
  }
  ASSERT_EQ(net_.last().ChannelOf("default/gold"), 64u);
  ASSERT_EQ(net_.wires.size(), 1u);
  net_.last().State(64, v1::PHASE_CLOSED, 7);
  upstream_->Process();
  Run(absl::Minutes(2));
  EXPECT_GE(net_.wires.size(), 2u);
}

TEST_F(UpstreamTest, DiscardWipesTheBufferAndItIsCreditedAnew) {
  Attach();
  Want(gold_.get(), 1, 0);
  net_.last().Grant(1, 0, std::string(kMin, 'x'));
  upstream_->Process();
  ASSERT_EQ(gold_->level(), kMin);
  net_.last().State(1, v1::PHASE_OPEN, 0, /*discard=*/true);
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 0u);
  EXPECT_EQ(net_.last().LastLine(1)->limit(), 2 * kMin);
}

TEST_F(UpstreamTest, StatesApplyBeforeTheGrantsThatComeWithThem) {
  Attach();
  Want(gold_.get(), 1, 0);
  net_.last().Grant(1, 0, "old");
  upstream_->Process();
  ServerMessageView message = net_.last().NewMessage();
  FakeWire::AddState(&message, 1, v1::PHASE_OPEN)->set_discard_buffered(true);
  message.grants.push_back({1, 3, 0, 5, {}});
  net_.last().Push(std::move(message), "fresh");
  upstream_->Process();
  EXPECT_EQ(gold_->level(), 5u);
}

TEST_F(UpstreamTest, AStateIsToldWhenItHasChangedAndNotBefore) {
  Attach();
  const UpstreamState before = states_[0];
  EXPECT_EQ(before.kind, Kind::kOpen);
  states_.clear();
  Want(gold_.get(), 0, 0);
  Wait(absl::Milliseconds(10));
  EXPECT_TRUE(states_.empty());
  Want(gold_.get(), 1, 64);
  net_.last().Grant(1, 0, "bytes are no news of the state");
  upstream_->Process();
  EXPECT_TRUE(states_.empty());
  upstream_->Suspend();
  EXPECT_EQ(states_.at(0).kind, Kind::kGone);
  EXPECT_EQ(states_.at(1).kind, Kind::kGone);
}

TEST_F(UpstreamTest, AClassMayAskForBytesWhileItIsToldOfItsState) {
  on_state_ = [&](size_t i, const UpstreamState& state) {
    if (i == 0 && state.kind == Kind::kOpen) Want(gold_.get(), 1, 5000);
  };
  Attach();
  EXPECT_EQ(net_.last().LastLine(1)->limit(), 5000u);
}

TEST_F(UpstreamTest, ASuspendedClassIsGoneAndAClosedOneIsRefused) {
  Attach();
  net_.last().State(1, v1::PHASE_SUSPENDED);
  upstream_->Process();
  EXPECT_EQ(states_[0].kind, Kind::kSuspended);
  const int64_t lost_at = clock_.NowNanos() + kSecondNanos;
  Wait(absl::Milliseconds(1'500));
  net_.last().State(1, v1::PHASE_SUSPENDED, 14);  // the server says it again, for another reason
  upstream_->Process();
  EXPECT_EQ(LostAt(0), lost_at);
  EXPECT_EQ(LostAt(1), INT64_MAX);
  net_.last().State(1, v1::PHASE_OPEN);
  upstream_->Process();
  EXPECT_EQ(LostAt(0), INT64_MAX);
  EXPECT_EQ(states_[0].kind, Kind::kOpen);
  net_.last().State(1, v1::PHASE_CLOSED, 7);
  upstream_->Process();
  EXPECT_EQ(states_[0].kind, Kind::kRefused);
  EXPECT_EQ(states_[0].reason, "code 7");
  EXPECT_EQ(LostAt(0), INT64_MAX);
}

// It stays in memory, and goes to terminals, the log and a successor.
TEST_F(UpstreamTest, AServersReasonIsBoundedAndSteersNoTerminal) {
  Attach();
  net_.last().State(1, v1::PHASE_CLOSED, 7, false, "no\x1b[31m\u202e" + std::string(100'000, '\n'));
  upstream_->Process();
  EXPECT_THAT(states_[0].reason, StartsWith("no\\x1b[31m\\xe2\\x80\\xae\\n\\n"));
  EXPECT_LE(states_[0].reason.size(), 4096u);
}

TEST_F(UpstreamTest, WhatTheServerSaidOfAClassIsNotForgottenByAnotherThatHasSaidNothing) {
  Start();
  EXPECT_EQ(states_[0].kind, Kind::kGone);
  net_.last().Welcome(kSize, {2});
  upstream_->Process();
  EXPECT_EQ(states_[0].kind, Kind::kAsked);
  net_.last().State(1, v1::PHASE_CLOSED, 7);
  upstream_->Process();
  EXPECT_EQ(states_[0].kind, Kind::kRefused);
  Wait(absl::Seconds(46));  // the agent asked again; no answer yet
  EXPECT_EQ(states_[0].kind, Kind::kRefused);
  net_.last().End(absl::UnavailableError("gone"));
  upstream_->Process();
  EXPECT_EQ(states_[0].kind, Kind::kGone);
}

TEST_F(UpstreamTest, QualityAndCeilingAreToldToTheBufferBeforeItsBytes) {
  class Told final : public FakeBuffer {
   public:
    void SetFullEntropy(bool full) override {
      full_at_level = full ? static_cast<int>(level()) : -1;
    }
    void SetCeil(uint64_t to) override { ceil = to; }
    int full_at_level = -1;
    uint64_t ceil = UINT64_MAX;
  } told;
  FakeFilledClass filled(&told);
  Upstream::Options options;
  options.servers = {"a:7743"};
  options.host_id = std::string(16, 'h');
  options.dial = [this](const std::string& server, std::function<void()> wake) {
    return net_.Dial(server, std::move(wake));
  };
  options.uniform = [] { return 0.5; };
  upstream_ = Upstream::Create(options, {&filled}, &clock_, &log_, &metrics_).value();
  upstream_->Process();
  net_.last().Welcome(kSize, {1});
  upstream_->Process();
  filled.Want({1, 64});
  ServerMessageView message = net_.last().NewMessage();
  v1::ChannelState* const state = FakeWire::AddState(&message, 1, v1::PHASE_OPEN);
  state->set_quality(v1::QUALITY_FULL);
  state->set_ceil(100);
  message.grants.push_back({1, 0, 0, 5, {}});
  net_.last().Push(std::move(message), "fresh");
  upstream_->Process();
  EXPECT_EQ(told.level(), 5u);
  EXPECT_EQ(told.full_at_level, 0);
  EXPECT_EQ(told.ceil, 100u);
  net_.last().State(1, v1::PHASE_CLOSED);
  upstream_->Process();
  EXPECT_EQ(told.ceil, 100u) << "CLOSED bears no figures";
  upstream_.reset();
  EXPECT_EQ(filled.filler, nullptr) << "nobody fills it any more";
}

TEST_F(UpstreamTest, BadOptionsAreRefused) {
  Upstream::Options options;
  options.host_id = std::string(16, 'h');
  EXPECT_EQ(Upstream::Create(options, {}, &clock_, &log_, &metrics_).status().code(),
            absl::StatusCode::kInvalidArgument);
  options.servers = {"a:7743"};
  options.host_id = "short";
  EXPECT_EQ(Upstream::Create(options, {}, &clock_, &log_, &metrics_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace entropyd
