#include "server/attach/attach_protocol.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

using AttachProtocolTest = AttachProtocolFixture;

// --- streams begin -------------------------------------------------------------------------------

TEST_F(AttachProtocolTest, ASessionIsItsMakersUntilItsStartIsPosted) {
  FakeTransport::Record wire;
  std::unique_ptr<Session> session = attach().NewSession({"spiffe://test/a", "192.0.2.1:5"});
  session->SetTransport(std::make_unique<FakeTransport>(&wire));
  EXPECT_EQ(session->peer().identity, "spiffe://test/a");
  EXPECT_EQ(session->peer().address, "192.0.2.1:5");
  Advance(60 * kSecond);
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_EQ(wire.reads, 0);
  session.reset();
  EXPECT_TRUE(wire.deleted);
  Tick();
  EXPECT_FALSE(wire.finished);
}

TEST_F(AttachProtocolTest, AStartedSessionIsReadFromAndBelongsToTheProtocol) {
  FakePeer* const peer = Attach();
  EXPECT_EQ(registry().sessions().size(), 1u);
  EXPECT_EQ(registry().registered(), 0u) << "nobody knows its host before Hello";
  EXPECT_EQ(peer->session->stay().begun_nanos(), clock_.NowNanos());
  EXPECT_EQ(peer->wire.reads, 1);
  EXPECT_EQ(totals().attached, 0u);
}

TEST_F(AttachProtocolTest, TheOptionsLimitWhatEachSessionMayAskFor) {
  Make({.limits = {.max_credit = 1000, .max_payload = 300}});
  FakePeer* const peer = Ready();
  EXPECT_EQ(Message(peer, 0).head.welcome().max_credit(), 1000u);
  EXPECT_EQ(Message(peer, 0).head.welcome().max_payload(), 300u);
  Credit(peer, 1, 1000, 0);
  EXPECT_EQ(Last(peer).grants.at(0).bytes, 300u);
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 1000u);
  Credit(peer, 1, 2001, 1000);
  EXPECT_TRUE(absl::IsOutOfRange(peer->wire.status)) << peer->wire.status;
}

TEST_F(AttachProtocolTest, StreamsAreNumberedInTheOrderOfTheirHellos) {
  FakePeer* const late = Attach("spiffe://test/late");
  FakePeer* const first = Greet("spiffe://test/a");
  FakePeer* const old = Attach("spiffe://test/old");
  Say(old, HelloOf(2, 3, 'o'));
  EXPECT_TRUE(absl::IsFailedPrecondition(old->wire.status)) << old->wire.status;
  Hello(late);
  EXPECT_EQ(Message(first, 0).head.welcome().session_id(), 1u);
  EXPECT_EQ(Message(late, 0).head.welcome().session_id(), 2u) << "a refused one takes no number";
  EXPECT_EQ(totals().attached, 2u);
  EXPECT_EQ(Logged("agent.attached identity=spiffe://test/late peer=peer session=2"), 1);
  EXPECT_EQ(totals().violations, 0u) << "another version is no offence";
  EXPECT_EQ(registry().registered(), 2u);
}

TEST_F(AttachProtocolTest, AgentsAboveTheMostAreDenied) {
  Make({.max_agents = 2});
  FakePeer* const one = Greet("spiffe://test/a");
  FakePeer* const two = Greet("spiffe://test/b");
  EXPECT_FALSE(two->wire.finished);
  FakePeer* const three = Attach("spiffe://test/c");
  EXPECT_EQ(three->wire.status,
            absl::ResourceExhaustedError("attach: 2 agents are attached (max_agents)"));
  EXPECT_EQ(three->wire.reads, 0);
  EXPECT_EQ(totals().denied_capacity, 1u);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/c peer=peer reason=max_agents"), 1);
  EXPECT_EQ(Logged("agent.detached"), 0) << "it was never attached";
  Post(three->session, Session::kDead);

  // A stream counts as long as its transport lives.
  WriteAll(one);
  Post(one->session, Session::kReadEnd);
  FakePeer* const four = Attach("spiffe://test/d");
  EXPECT_TRUE(absl::IsResourceExhausted(four->wire.status));
  Post(four->session, Session::kDead);
  Post(one->session, Session::kDead);
  EXPECT_FALSE(Greet("spiffe://test/e")->wire.finished);
  EXPECT_EQ(totals().denied_capacity, 2u);
}

TEST_F(AttachProtocolTest, AFloodOfDeniedStreamsIsOneLineForEachIdentity) {
  Make({.max_agents = 1});
  Greet("spiffe://test/a");
  for (int i = 0; i < 100; ++i) {
    FakePeer* const late = Attach("spiffe://test/b");
    Post(late->session, Session::kDead);
  }
  FakePeer* const other = Attach("spiffe://test/c");
  Post(other->session, Session::kDead);
  EXPECT_EQ(totals().denied_capacity, 101u);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/b"), 1);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/c"), 1);
  clock_.Advance(absl::Nanoseconds(LineLimit::kEveryNanos));
  FakePeer* const again = Attach("spiffe://test/b");
  Post(again->session, Session::kDead);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/b peer=peer reason=max_agents count=100"),
            1);
}

TEST_F(AttachProtocolTest, AFloodOfStreamsThatComeAndGoIsAFewLinesForEachIdentity) {
  const int most = 3;
  Make({.max_streams_per_identity = most});
  const auto come_and_go = [this](const std::string& identity, char host) {
    FakePeer* const peer = Greet(identity, host);
    Post(peer->session, Session::kCancelled);
    Post(peer->session, Session::kDead);
  };
  for (int i = 0; i < 100; ++i) come_and_go("spiffe://test/a", static_cast<char>(1 + i));
  come_and_go("spiffe://test/b", 'b');
  EXPECT_EQ(totals().attached, 101u);
  for (const char* const event : {"agent.attached", "agent.detached"}) {
    EXPECT_EQ(Logged(absl::StrCat(event, " identity=spiffe://test/a")), most);
    EXPECT_EQ(Logged(absl::StrCat(event, " identity=spiffe://test/b")), 1);
  }
  Advance(LineLimit::kEveryNanos);
  come_and_go("spiffe://test/a", 'z');
  EXPECT_EQ(Logged("agent.attached identity=spiffe://test/a"), most + 1);
  EXPECT_EQ(Logged("count=98"), 2) << "one that came, and one that went";
}

TEST_F(AttachProtocolTest, AClonedHostIsDeniedAndTheOlderStreamServesOn) {
  FakePeer* older = Ready();
  for (size_t i = 0; i < SessionRegistry::kMaxReplacements; ++i) older = Ready();
  EXPECT_EQ(totals().replacements, SessionRegistry::kMaxReplacements);
  FakePeer* const clone = Greet();
  EXPECT_TRUE(absl::IsAlreadyExists(clone->wire.status)) << clone->wire.status;
  EXPECT_EQ(totals().denied_clone, 1u);
  EXPECT_EQ(totals().attached, 1 + SessionRegistry::kMaxReplacements);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/agent peer=peer reason=cloned_host"), 1);
  EXPECT_EQ(totals().violations, 0u);
  EXPECT_TRUE(clone->wire.messages.empty()) << "not even a Welcome";
  EXPECT_EQ(Logged("agent.detached"), static_cast<int>(SessionRegistry::kMaxReplacements))
      << "the clone was never attached";
  Post(clone->session, Session::kDead);
  EXPECT_EQ(registry().registered(), 1u) << "the host is still the older one's";
  Credit(older, 1, 100, 0);
  EXPECT_EQ(Granted(older, 1), 100u);
}

// --- messages ------------------------------------------------------------------------------------

// The message has its grants in the order of the pools, which is not that of the channels.
TEST_F(AttachProtocolTest, WhatAPoolRefusesIsLeftOutAndTheRestIsSent) {
  FakePeer* const peer = Ready("scarce/key");
  Open(peer, 2, "default/gold");
  WriteAll(peer);
  full_.next_error = absl::UnavailableError("no seed");
  v1::AgentMessage message;
  AddLine(&message, 1, 700);
  AddLine(&message, 2, 500);
  Say(peer, message);
  ASSERT_EQ(Last(peer).grants.size(), 1u);
  EXPECT_EQ(Last(peer).grants[0].channel, 2u);
  EXPECT_EQ(Last(peer).grants[0].bytes, 500u);
  EXPECT_EQ(totals().sent_bytes, 500u);
  EXPECT_EQ(totals().forfeited_bytes, 700u);
  EXPECT_EQ(Logged("pool.refused pool=scarce error=UNAVAILABLE: no seed"), 1);
  ExpectBalance();
  WriteAll(peer);
  Advance(kSecond);  // the pool is asked again
  EXPECT_EQ(Granted(peer, 1), 700u) << "the demand stays";
  ExpectBalance();
}

TEST_F(AttachProtocolTest, AMessageThatWouldHoldNothingIsNotSent) {
  FakePeer* const peer = Ready();
  const uint64_t messages = totals().messages;
  drbg_.next_error = absl::UnavailableError("no seed");
  Credit(peer, 1, 500, 0);
  EXPECT_EQ(totals().messages, messages);
  EXPECT_FALSE(peer->write_pending());
  EXPECT_EQ(totals().forfeited_bytes, 500u);
  Advance(kSecond);
  EXPECT_EQ(totals().messages, messages + 1);
  EXPECT_EQ(Granted(peer, 1), 500u);
  EXPECT_EQ(totals().sent_bytes, 500u);
  ExpectBalance();
}

// The channel wants more than a message holds. No write will end and wake it.
TEST_F(AttachProtocolTest, AFullMessageThatThePoolRefusesIsMadeAgain) {
  FakePeer* const peer = Ready();
  drbg_.next_error = absl::UnavailableError("no seed");
  Credit(peer, 1, 2 * kPayload, 0);
  ASSERT_FALSE(peer->write_pending());
  Advance(kSecond);
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), 2 * kPayload);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, NewsWaitForTheWriteThatIsUnderWayAndGoTogether) {
  FakePeer* const peer = Greet();
  Open(peer, 1, "default/gold");
  Open(peer, 2, "scarce/key");
  Credit(peer, 1, 100, 0);
  Drain("", 30 * kSecond);
  EXPECT_EQ(peer->wire.messages.size(), 1u);
  EXPECT_EQ(totals().messages, 1u);
  Written(peer);
  ASSERT_EQ(peer->wire.messages.size(), 2u);
  EXPECT_EQ(totals().messages, 2u);
  EXPECT_EQ(Last(peer).head.state_size(), 2);
  EXPECT_TRUE(Last(peer).head.has_drain());
  EXPECT_EQ(Last(peer).grants.at(0).bytes, 100u);
}

// Each channel has the longest names above it, and more of them than are told.
TEST_F(AttachProtocolTest, StatesThatFitIntoNoMessageComeInSeveralAndBeforeTheBytes) {
  more_leaves_ = kMaxChannels;
  for (size_t i = 0; i < 2 * kMaxCeilingsAbove; ++i) {
    above_.push_back({absl::StrCat("default/", i, std::string(500, 'x')), 1'000 + i});
  }
  Make({.limits = {.max_payload = kAttachMaxPayload}});
  FakePeer* const peer = Greet();
  for (uint32_t channel = 1; channel <= kMaxChannels; ++channel) {
    Open(peer, channel, absl::StrCat("default/leaf", channel - 1));
    Credit(peer, channel, 4096, 0);
  }
  WriteAll(peer);

  std::map<uint32_t, int> told;
  for (size_t i = 0; i < peer->wire.messages.size(); ++i) {
    EXPECT_LE(peer->wire.messages[i]->buffer.size(), size_t{kAttachMaxServerMessage});
    for (const v1::ChannelState& state : Message(peer, i).head.state()) {
      ++told[state.channel()];
      ASSERT_EQ(state.above_size(), static_cast<int>(kMaxCeilingsAbove));
      EXPECT_EQ(state.above(0).ceil(), 1'000u) << "the nearest";
    }
    for (const GrantView& grant : Message(peer, i).grants) {
      EXPECT_EQ(told[grant.channel], 1) << "bytes of a class of which nothing was said";
    }
  }
  for (uint32_t channel = 1; channel <= kMaxChannels; ++channel) {
    EXPECT_EQ(told[channel], 1) << channel;
    EXPECT_GT(Granted(peer, channel), 0u) << channel;
  }
  ExpectBalance();
}

}  // namespace
}  // namespace entropyd
