// A dispatcher with an AttachProtocol, whose peers the test plays.
#pragma once

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "tests/server/dispatch/dispatcher_fixture.h"

namespace entropyd {

class AttachProtocolFixture : public DispatcherFixture {
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
    *peer->session->inbox()->room() = message;
    peer->session->inbox()->Filled(absl::OkStatus());
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
  int Logged(absl::string_view what) const { return log_.CountWith(what); }
};

}  // namespace entropyd
