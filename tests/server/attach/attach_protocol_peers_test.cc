// What peers say on their streams, and what it brings them.
#include <string>
#include <utility>
#include <vector>

#include "tests/server/attach/attach_protocol_fixture.h"

namespace entropyd {
namespace {

using AttachProtocolTest = AttachProtocolFixture;

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
  peer->session->inbox()->Filled(absl::InvalidArgumentError("no AgentMessage"));
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
            "open default/nonsuch: the server has no such class; there are default/gold, "
            "default/slow, scarce/key");
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
  for (const std::string& line : log_.lines()) EXPECT_LT(line.size(), 500u) << line;
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

}  // namespace
}  // namespace entropyd
