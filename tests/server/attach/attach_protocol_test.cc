#include "server/attach/attach_protocol.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {
namespace {

class AttachProtocolTest : public DispatcherFixture {
 protected:
  AttachProtocol& attach() { return *protocols_->attach(); }

  // An attached peer with channel 1. No write is outstanding.
  FakePeer* Ready(const std::string& name = "default/gold",
                  const std::string& identity = "spiffe://test/agent", char host = 'a') {
    FakePeer* peer = Greet(identity, host);
    WriteAll(peer);
    Open(peer, 1, name);
    WriteAll(peer);
    return peer;
  }
  // The same. A message of 1,000 bytes is on its way to it, and `planned` bytes wait behind that.
  FakePeer* Sending(uint64_t planned = 0) {
    FakePeer* const peer = Ready();
    Credit(peer, 1, 1000, 0);
    if (planned > 0) Credit(peer, 1, 1000 + planned, 0);
    EXPECT_TRUE(peer->write_pending());
    EXPECT_EQ(totals().in_flight_bytes, 1000u);
    EXPECT_EQ(totals().planned_bytes, planned);
    return peer;
  }
  // The Hello of an agent that speaks these versions.
  static v1::AgentMessage HelloOf(uint32_t least, uint32_t most, char host) {
    v1::AgentMessage message;
    message.mutable_hello()->set_version_min(least);
    message.mutable_hello()->set_version_max(most);
    message.mutable_hello()->set_host_id(std::string(16, host));
    return message;
  }
  // A message and other events that the dispatcher finds at the same time.
  void SayAnd(FakePeer* peer, const v1::AgentMessage& message, uint32_t events) {
    peer->session->inbox = message;
    peer->session->inbox_status = absl::OkStatus();
    Post(peer->session, Session::kRead | events);
  }
  static void AddLine(v1::AgentMessage* message, uint32_t channel, uint64_t limit,
                      uint64_t received = 0) {
    v1::Line* const line = message->mutable_credit()->add_line();
    line->set_channel(channel);
    line->set_limit(limit);
    line->set_received(received);
  }
  // As the owner of the dispatcher.
  uint32_t Drain(const std::string& identity, int64_t within_nanos) {
    uint32_t sessions = 0;
    Post(new Command([&](int64_t now) {
           sessions = attach().Drain(identity, "test", now, now + within_nanos);
         }),
         1);
    return sessions;
  }
  int Logged(absl::string_view what) const {
    return static_cast<int>(
        std::count_if(log_.lines.begin(), log_.lines.end(),
                      [what](const std::string& line) { return absl::StrContains(line, what); }));
  }
};

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
  EXPECT_EQ(peer->session->started_nanos(), clock_.NowNanos());
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

TEST_F(AttachProtocolTest, AClonedHostIsDeniedAndTheOlderStreamServesOn) {
  FakePeer* older = Ready();
  for (size_t i = 0; i < SessionRegistry::kMaxSupersessions; ++i) older = Ready();
  EXPECT_EQ(totals().supersessions, SessionRegistry::kMaxSupersessions);
  FakePeer* const clone = Greet();
  EXPECT_TRUE(absl::IsAlreadyExists(clone->wire.status)) << clone->wire.status;
  EXPECT_EQ(totals().denied_clone, 1u);
  EXPECT_EQ(totals().attached, 1 + SessionRegistry::kMaxSupersessions);
  EXPECT_EQ(Logged("agent.denied identity=spiffe://test/agent peer=peer reason=cloned_host"), 1);
  EXPECT_EQ(totals().violations, 0u);
  EXPECT_TRUE(clone->wire.messages.empty()) << "not even a Welcome";
  EXPECT_EQ(Logged("agent.detached"), static_cast<int>(SessionRegistry::kMaxSupersessions))
      << "the clone was never attached";
  Post(clone->session, Session::kDead);
  EXPECT_EQ(registry().registered(), 1u) << "the host is still the older one's";
  Credit(older, 1, 100, 0);
  EXPECT_EQ(Granted(older, 1), 100u);
}

// --- what peers say ------------------------------------------------------------------------------

TEST_F(AttachProtocolTest, EachViolationEndsItsOwnStreamAndNoOther) {
  FakePeer* const other = Ready("default/gold", "spiffe://test/other");
  std::vector<std::pair<std::string, v1::AgentMessage>> offences;
  const auto add = [&](const std::string& what) -> v1::AgentMessage& {
    return offences.emplace_back(what, v1::AgentMessage()).second;
  };
  add("nothing at all");
  add("hello again").mutable_hello();
  add("channel 0").mutable_open();
  add("channel 1 again").mutable_open()->set_channel(1);
  add("channel 65").mutable_open()->set_channel(kMaxChannels + 1);
  AddLine(&add("credit of no channel"), 2, 100);
  AddLine(&add("received what was not sent"), 1, 100, 1);
  v1::AgentMessage& falls = add("a limit that falls");
  AddLine(&falls, 1, 100);
  AddLine(&falls, 1, 99);
  v1::AgentMessage& lines = add("65 lines");
  for (uint32_t i = 0; i <= kMaxChannels; ++i) AddLine(&lines, 1, 100);
  add("close of no channel").mutable_close()->set_channel(2);

  uint64_t violations = 0;
  char host = 'b';
  for (const auto& [what, message] : offences) {
    const std::string identity = absl::StrCat("spiffe://test/", std::string(1, host));
    FakePeer* const peer = Ready("default/gold", identity, host++);
    const int reads = peer->wire.reads;
    Say(peer, message);
    WriteAll(peer);
    EXPECT_TRUE(absl::IsInvalidArgument(peer->wire.status)) << what << ": " << peer->wire.status;
    EXPECT_EQ(peer->wire.finishes, 1) << what;
    EXPECT_EQ(peer->wire.reads, reads) << what << ": nothing more is read";
    EXPECT_EQ(totals().violations, ++violations) << what;
    EXPECT_EQ(Logged(absl::StrCat("agent.violation identity=", identity, " peer=peer error=")), 1)
        << what;
  }
  EXPECT_FALSE(other->wire.finished);
  Credit(other, 1, 100, 0);
  EXPECT_EQ(Granted(other, 1), 100u);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, AFloodOfViolationsIsOneLineForEachIdentity) {
  for (int i = 0; i < 5; ++i) {
    FakePeer* const peer = Ready("default/gold", "spiffe://test/agent", 'b');
    Say(peer, v1::AgentMessage());
    WriteAll(peer);
    Post(peer->session, Session::kDead);
  }
  EXPECT_EQ(totals().violations, 5u);
  EXPECT_EQ(Logged("agent.violation"), 1);
}

TEST_F(AttachProtocolTest, ACreditMayHaveALineForEachChannelThatThereCanBe) {
  FakePeer* const peer = Ready();
  v1::AgentMessage message;
  for (uint32_t i = 1; i <= kMaxChannels; ++i) AddLine(&message, 1, i);
  Say(peer, message);
  EXPECT_FALSE(peer->wire.finished) << peer->wire.status;
  WriteAll(peer);
  EXPECT_EQ(Granted(peer, 1), kMaxChannels);
}

TEST_F(AttachProtocolTest, AMessageThatCannotBeReadEndsTheStreamWithTheReadersReason) {
  FakePeer* const peer = Ready();
  peer->session->inbox_status = absl::InvalidArgumentError("no AgentMessage");
  Post(peer->session, Session::kRead);
  EXPECT_EQ(peer->wire.status, absl::InvalidArgumentError("no AgentMessage"));
  EXPECT_EQ(totals().violations, 1u);
}

TEST_F(AttachProtocolTest, WhatComesAfterTheEndIsNotLookedAt) {
  FakePeer* const peer = Greet();  // its Welcome is under way, so that the stream is not finished
  v1::AgentMessage again;
  again.mutable_hello();
  Say(peer, again);
  ASSERT_EQ(totals().violations, 1u);
  const int reads = peer->wire.reads;
  Say(peer, again);
  Open(peer, 1, "default/gold");
  EXPECT_EQ(totals().violations, 1u);
  EXPECT_TRUE(peer->session->channels().empty());
  EXPECT_EQ(peer->wire.reads, reads);
  EXPECT_FALSE(peer->wire.finished);
  WriteAll(peer);
  EXPECT_EQ(peer->wire.finishes, 1);
}

TEST_F(AttachProtocolTest, ARefusedClassLeavesTheOtherChannelsAlone) {
  FakePeer* const peer = Ready();
  Open(peer, 2, "default/nonsuch");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(Last(peer).head.state(0).reason(),
            "open default/nonsuch: the server has no such class");
  WriteAll(peer);
  v1::AgentMessage message;
  AddLine(&message, 2, 100);
  AddLine(&message, 1, 100);
  Say(peer, message);
  EXPECT_EQ(Granted(peer, 1), 100u) << "the line of a closed channel asks for nothing";
  EXPECT_EQ(Granted(peer, 2), 0u);
  EXPECT_EQ(totals().violations, 0u);
}

TEST_F(AttachProtocolTest, AClassOf60KilobytesIsNeitherKeptNorRepeated) {
  FakePeer* const peer = Ready();
  for (uint32_t channel = 2; channel <= kMaxChannels; ++channel) {
    Open(peer, channel, std::string(60'000, 'a') + "\x1b[2J");
    EXPECT_LT(peer->session->channels().back()->name().capacity(), 200u);
    EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
    EXPECT_EQ(Last(peer).head.state(0).code(),
              static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
    EXPECT_LT(Last(peer).head.state(0).reason().size(), 300u);
    WriteAll(peer);
  }
  Open(peer, 1, "default/gold");  // used already
  EXPECT_LT(peer->wire.status.message().size(), 300u);
  for (const std::string& line : log_.lines) EXPECT_LT(line.size(), 500u) << line;
}

TEST_F(AttachProtocolTest, AStreamHasOneChannelPerClass) {
  FakePeer* const peer = Ready();
  Open(peer, 2, "default/gold");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED);
  EXPECT_EQ(Last(peer).head.state(0).code(),
            static_cast<uint32_t>(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Last(peer).head.state(0).reason(),
            "open default/gold: channel 1 of this stream has it; close that one first");
  WriteAll(peer);
  Credit(peer, 2, 100, 0);
  EXPECT_EQ(Granted(peer, 2), 0u);
  Credit(peer, 1, 100, 0);
  EXPECT_EQ(Granted(peer, 1), 100u);
  WriteAll(peer);
  CloseChannel(peer, 1);
  WriteAll(peer);
  Open(peer, 3, "default/gold");
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_OPEN);
  EXPECT_EQ(totals().violations, 0u);
}

TEST_F(AttachProtocolTest, AcknowledgedBytesAreCountedLineByLine) {
  FakePeer* const peer = Ready();
  Open(peer, 2, "default/slow");
  WriteAll(peer);
  v1::AgentMessage message;
  AddLine(&message, 1, 300);
  AddLine(&message, 2, 500);
  Say(peer, message);
  WriteAll(peer);
  EXPECT_EQ(totals().sent_bytes, 800u);
  EXPECT_EQ(totals().received_bytes, 0u);
  message.Clear();
  AddLine(&message, 1, 300, 200);
  AddLine(&message, 2, 500, 500);
  AddLine(&message, 1, 300, 300);
  Say(peer, message);
  EXPECT_EQ(totals().received_bytes, 800u);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, ALineThatCrossesTheClosedMessageStillAcknowledges) {
  FakePeer* const peer = Sending();
  WriteAll(peer);
  CloseChannel(peer, 1);
  WriteAll(peer);
  Credit(peer, 1, 2000, 1000);
  EXPECT_FALSE(peer->wire.finished) << peer->wire.status;
  EXPECT_EQ(totals().received_bytes, 1000u);
  EXPECT_EQ(Granted(peer, 1), 1000u) << "and asks for nothing";
  ExpectBalance();
}

// A channel that its peer has closed is in no class any more. Everything that may follow finds it
// so.
TEST_F(AttachProtocolTest, AClosedChannelGivesItsPlanBackAndLeavesItsClassOnce) {
  FakePeer* const peer = Sending(4000);
  CloseChannel(peer, 1);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_EQ(totals().forfeited_bytes, 4000u);
  EXPECT_TRUE(dispatcher_->classes().FindLeaf("default/gold")->members.empty());
  CloseChannel(peer, 1);
  EXPECT_EQ(totals().forfeited_bytes, 4000u);
  ++drbg_.state.discard_epoch;
  PoolsChanged();
  WriteAll(peer);
  EXPECT_EQ(Last(peer).head.state(0).phase(), v1::PHASE_CLOSED) << "its last word";
  EXPECT_FALSE(Last(peer).head.state(0).discard_buffered());
  Post(peer->session, Session::kReadEnd);
  EXPECT_TRUE(peer->wire.finished);
  EXPECT_EQ(totals().forfeited_bytes, 4000u);
  EXPECT_EQ(totals().lost_bytes, 1000u);
  ExpectBalance();
}

// --- streams end ---------------------------------------------------------------------------------

TEST_F(AttachProtocolTest, TheLastMessageCountsBeforeTheEndThatComesWithIt) {
  FakePeer* const peer = Sending();
  WriteAll(peer);
  v1::AgentMessage message;
  AddLine(&message, 1, 1000, 1000);
  SayAnd(peer, message, Session::kReadEnd);
  EXPECT_TRUE(peer->wire.finished);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
  EXPECT_EQ(totals().received_bytes, 1000u);
  EXPECT_EQ(totals().lost_bytes, 0u);
}

TEST_F(AttachProtocolTest, TheFirstEndCounts) {
  FakePeer* const peer = Sending();
  Post(peer->session, Session::kReadEnd);
  Post(peer->session, Session::kCancelled);
  EXPECT_FALSE(peer->wire.finished) << "its write is under way";
  Written(peer);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
  EXPECT_EQ(peer->wire.finishes, 1);
  EXPECT_EQ(totals().lost_bytes, 1000u);
  EXPECT_EQ(Logged("agent.detached identity=spiffe://test/agent session=1 status=OK "
                   "sent_bytes=1000 lost_bytes=1000"),
            1);
  EXPECT_EQ(registry().registered(), 0u);
  EXPECT_EQ(registry().sessions().size(), 1u) << "until its transport is dead";
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_TRUE(peer->wire.deleted);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, AWriteThatFailsEndsTheStream) {
  FakePeer* const peer = Sending();
  Written(peer, false);
  EXPECT_TRUE(absl::IsCancelled(peer->wire.status)) << peer->wire.status;
  EXPECT_EQ(peer->wire.finishes, 1);
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().lost_bytes, 1000u);
  ExpectBalance();
}

TEST_F(AttachProtocolTest, ATransportThatDiesWithoutAWordLeavesNothingBehind) {
  FakePeer* const peer = Sending(4000);
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(peer->wire.deleted);
  EXPECT_TRUE(registry().sessions().empty());
  EXPECT_EQ(registry().registered(), 0u);
  EXPECT_EQ(totals().in_flight_bytes, 0u);
  EXPECT_EQ(totals().planned_bytes, 0u);
  EXPECT_TRUE(dispatcher_->classes().FindLeaf("default/gold")->members.empty());
  ExpectBalance();
}

// It is deleted in the same step in which it had something to say.
TEST_F(AttachProtocolTest, ATransportThatDiesWithNewsIsNotWrittenTo) {
  FakePeer* const peer = Attach();
  SayAnd(peer, HelloOf(0, 1, 'h'), Session::kDead);
  EXPECT_TRUE(peer->wire.deleted);
  EXPECT_TRUE(peer->wire.messages.empty());
  EXPECT_EQ(totals().messages, 0u);
  EXPECT_FALSE(Greet()->wire.messages.empty());
}

TEST_F(AttachProtocolTest, AStreamWithoutHelloIsNeitherLoggedNorRegistered) {
  FakePeer* const peer = Attach();
  Advance(10 * kSecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(peer->wire.status));
  EXPECT_EQ(Logged("agent.detached"), 0);
  EXPECT_EQ(totals().violations, 0u);
  Post(peer->session, Session::kDead);
  EXPECT_TRUE(registry().sessions().empty());
}

// --- drain and deadlines -------------------------------------------------------------------------

TEST_F(AttachProtocolTest, ADrainOfAllRefusesThoseWhoComeLater) {
  FakePeer* const peer = Ready();
  EXPECT_FALSE(attach().draining());
  EXPECT_EQ(Drain("spiffe://test/nobody", kSecond), 0u);
  EXPECT_EQ(Drain("spiffe://test/agent", 60 * kSecond), 1u);
  EXPECT_FALSE(attach().draining());
  EXPECT_FALSE(Greet("spiffe://test/agent", 'b')->wire.finished) << "that one may come again";
  EXPECT_EQ(Drain("", 60 * kSecond), 2u);
  EXPECT_TRUE(attach().draining());
  FakePeer* const late = Attach();
  EXPECT_EQ(late->wire.status,
            absl::UnavailableError("attach: the server drains; attach elsewhere"));
  EXPECT_EQ(late->wire.reads, 0);
  EXPECT_EQ(totals().denied_capacity, 0u);
  EXPECT_FALSE(peer->wire.finished) << "its time has not come";
}

TEST_F(AttachProtocolTest, ADrainThatIsEndedLetsNewStreamsInAndMovesTheOldOnes) {
  FakePeer* const told = Ready();
  Drain("", 2 * kSecond);
  attach().EndDrain();
  EXPECT_FALSE(attach().draining());
  FakePeer* const late = Ready("default/gold", "spiffe://test/late");
  WriteAll(told);
  Advance(2 * kSecond);
  EXPECT_EQ(told->wire.status, absl::UnavailableError("drained: test"));
  EXPECT_FALSE(late->wire.finished);
}

TEST_F(AttachProtocolTest, ADrainCountsThoseWhoHaveNotEnded) {
  FakePeer* const ended = Ready("default/gold", "spiffe://test/agent", 'x');
  Ready("default/gold", "spiffe://test/agent", 'y');
  FakePeer* const silent = Attach();
  Post(ended->session, Session::kReadEnd);
  EXPECT_EQ(Drain("", 2 * kSecond), 2u);
  EXPECT_TRUE(silent->wire.messages.empty()) << "it has nothing to move";
  Advance(2 * kSecond);
  EXPECT_EQ(silent->wire.status, absl::UnavailableError("drained: test"));
  EXPECT_TRUE(ended->wire.status.ok());
}

TEST_F(AttachProtocolTest, ADrainEndsAtItsDeadlineAndNotAtTheNextSweep) {
  FakePeer* const peer = Ready();
  Drain("", 300 * kMilli);
  EXPECT_LE(wake_nanos_, clock_.NowNanos() + 300 * kMilli);
  WriteAll(peer);
  Advance(300 * kMilli - 1);
  EXPECT_FALSE(peer->wire.finished);
  Advance(1);
  EXPECT_EQ(peer->wire.status, absl::UnavailableError("drained: test"));
}

TEST_F(AttachProtocolTest, ASweepTellsTheEarliestDeadlineOfThoseThatDrain) {
  FakePeer* const one = Ready("default/gold", "spiffe://test/one");
  FakePeer* const two = Ready("default/gold", "spiffe://test/two");
  const int64_t now = clock_.NowNanos();
  EXPECT_EQ(attach().Sweep(now), kNever);
  attach().Drain("spiffe://test/one", "test", now, now + 5 * kSecond);
  attach().Drain("spiffe://test/two", "test", now, now + 3 * kSecond);
  EXPECT_EQ(attach().Sweep(now), now + 3 * kSecond);
  attach().OnSession(two->session, Session::kReadEnd, now);
  EXPECT_EQ(attach().Sweep(now), now + 5 * kSecond) << "an ended one has no deadline";
  attach().OnSession(one->session, Session::kReadEnd, now);
  EXPECT_EQ(attach().Sweep(now), kNever);
}

TEST_F(AttachProtocolTest, SessionsOfOneMomentMoveAtDifferentTimes) {
  std::set<int64_t> ages;
  for (char host = 'a'; host < 'a' + 20; ++host) {
    const Session* const session = Greet("spiffe://test/agent", host)->session;
    int64_t age = 40 * kMinuteNanos;
    EXPECT_FALSE(session->RotationDue(clock_.NowNanos() + age - 1));
    while (age < 50 * kMinuteNanos && !session->RotationDue(clock_.NowNanos() + age)) {
      age += kSecond;
    }
    EXPECT_TRUE(session->RotationDue(clock_.NowNanos() + age)) << "after 50 minutes at the latest";
    ages.insert(age);
  }
  EXPECT_GT(ages.size(), 15u);
}

TEST_F(AttachProtocolTest, ASessionThatMovesHasHalfAMinute) {
  FakePeer* const peer = Ready();
  const size_t messages = peer->wire.messages.size();
  Advance(50 * kMinuteNanos);
  ASSERT_EQ(peer->wire.messages.size(), messages + 1);
  EXPECT_EQ(Last(peer).head.drain().reason(), "rebalance");
  EXPECT_EQ(Last(peer).head.drain().deadline_ms(), 30'000u);
  WriteAll(peer);
  Advance(30 * kSecond - 1);
  EXPECT_FALSE(peer->wire.finished);
  Advance(1);
  EXPECT_EQ(peer->wire.status, absl::UnavailableError("drained: rebalance"));
}

TEST_F(AttachProtocolTest, AStuckWriteIsCountedOnceAndCancelledAtEverySweep) {
  FakePeer* const peer = Greet();
  Advance(60 * kSecond);
  EXPECT_TRUE(peer->wire.cancelled);
  EXPECT_EQ(totals().stuck_writes, 1u);
  peer->wire.cancelled = false;
  Advance(60 * kSecond);
  EXPECT_TRUE(peer->wire.cancelled) << "the transport may need to hear it again";
  EXPECT_EQ(totals().stuck_writes, 1u);
  Written(peer, false);
  EXPECT_TRUE(absl::IsDeadlineExceeded(peer->wire.status)) << peer->wire.status;
}

TEST_F(AttachProtocolTest, AnEndedStreamWhoseLastWriteHangsIsCancelledAfterFiveSeconds) {
  FakePeer* const peer = Greet();
  Post(peer->session, Session::kReadEnd);
  Advance(5 * kSecond - 1);
  EXPECT_FALSE(peer->wire.cancelled);
  Advance(kSecond);
  EXPECT_TRUE(peer->wire.cancelled);
  EXPECT_EQ(totals().stuck_writes, 0u) << "it has ended for another reason";
  Written(peer, false);
  EXPECT_TRUE(peer->wire.status.ok()) << peer->wire.status;
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

}  // namespace
}  // namespace entropyd
