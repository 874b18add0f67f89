// The giver of a running agent's guests, and a successor that the test plays: by hand, or with a
// taker and a host.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "hostagent/handover/giver.h"
#include "hostagent/handover/handover_link.h"
#include "hostagent/handover/protocol.h"
#include "tests/hostagent/handover/soon.h"
#include "tests/hostagent/two_hosts.h"

namespace entropyd {

class HandoverRig : public TwoHostsTest, public HandoverGiver::Subject {
 protected:
  void SetUp() override {
    TwoHostsTest::SetUp();
    giver_ = HandoverGiver::Start(path(), old_.loop.get(), old_.host->state(), this, &log_).value();
  }
  void TearDown() override {
    giver_.reset();
    TwoHostsTest::TearDown();
  }
  std::string path() const { return dir_ / "agent.sock.handover"; }

  int http_port() const override { return 9744; }
  absl::Status LeaveServer() override {
    calls_ += "leave ";
    return may_leave_;
  }
  void ReturnToServer(const absl::Status& why) override { calls_ += "return ", why_ = why; }
  void Given(const std::string& version) override { calls_ += "given "; }
  void Released() override { calls_ += "released "; }

  using Message = handover::v1::Message;

  static Message Begin(uint32_t from = 1, uint32_t to = 1) {
    Message message;
    message.mutable_begin()->set_format_min(from);
    message.mutable_begin()->set_format_max(to);
    message.mutable_begin()->set_version("9.9");
    return message;
  }
  std::unique_ptr<HandoverLink> Reach() { return HandoverLink::Connect(path()).value(); }
  std::unique_ptr<HandoverLink> Offered() {
    auto link = Reach();
    Say(link.get(), Begin());
    Turn(&old_);
    Turn(&old_);
    auto offer = link->Receive(Soon());
    EXPECT_TRUE(offer.ok() && offer->message.has_offer());
    EXPECT_EQ(offer->message.offer().http_port(), 9744u);
    return link;
  }
  static void Say(HandoverLink* link, const Message& message) {
    EXPECT_TRUE(link->Send(message, {}, Soon()).ok());
  }
  static Message Request() {
    Message message;
    message.mutable_request();
    return message;
  }
  static Message Prepared() {
    Message message;
    message.mutable_prepared();
    return message;
  }
  // The giver's loop turns in a thread while `script` plays the successor.
  void While(const std::function<void()>& script) {
    std::atomic<bool> done{false};
    std::thread player([&] {
      script();
      done = true;
    });
    while (!done) old_.loop->RunOnce(1'000'000);
    player.join();
    for (int i = 0; i < 5; ++i) Turn(&old_);
  }
  // Whatever happened, the agent serves a guest that has waited since before, and one that comes
  // now.
  void ExpectServesOn(Client* waiting) {
    EXPECT_FALSE(giver_->given());
    Arrive(&old_, 100);
    EXPECT_EQ(waiting->Receive().size(), 8u);
    Client fresh = Connect(Bytes{0x02, 4});
    EXPECT_EQ(fresh.Receive().size(), 4u);
  }

  std::unique_ptr<HandoverGiver> giver_;
  std::string calls_;
  absl::Status why_;
  absl::Status may_leave_;  // the agent's answer to an offer
};

}  // namespace entropyd
