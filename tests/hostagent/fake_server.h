// Servers without a network. A FakeStream keeps what the agent sent, and gives the agent what the
// test says. The agent dials a FakeNet.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/entropy_stream.h"

namespace entropyd {

// What the test and the agent's stream share. It outlives the stream.
struct FakeWire {
  std::string server;
  std::vector<v1::AgentMessage> sent;
  size_t read = 0;       // of `sent`, by the server
  bool blocked = false;  // messages sent from now on stay unsent
  size_t unsent = 0;
  std::deque<std::pair<ServerMessageView, std::string>> inbox;  // with the bytes of all its grants
  absl::optional<absl::Status> end;                             // after the inbox
  bool half_closed = false;
  bool cancelled = false;
  bool destroyed = false;
  bool connected = true;
  bool malformed = false;  // the next message is no ServerMessage
  uint64_t next_seq = 1;
  std::function<void()> wake;

  bool alive() const { return !destroyed && !cancelled && !end.has_value(); }

  void Unblock() {
    blocked = false;
    unsent = 0;
    wake();
  }
  void End(absl::Status status) {
    end = std::move(status);
    wake();
  }
  ServerMessageView NewMessage() {
    ServerMessageView message;
    message.head.set_seq(next_seq++);
    return message;
  }
  void Push(ServerMessageView message, std::string bytes = "") {
    inbox.emplace_back(std::move(message), std::move(bytes));
    wake();
  }
  // A server of 0.1.0 promises no heartbeats.
  void Welcome(uint64_t max_credit = 1 << 20, const std::vector<uint32_t>& open = {},
               uint32_t heartbeat_ms = 0) {
    ServerMessageView message = NewMessage();
    message.head.mutable_welcome()->set_version(1);
    message.head.mutable_welcome()->set_max_credit(max_credit);
    message.head.mutable_welcome()->set_max_payload(32 * 1024);
    message.head.mutable_welcome()->set_heartbeat_ms(heartbeat_ms);
    for (uint32_t channel : open) AddState(&message, channel, v1::PHASE_OPEN);
    Push(std::move(message));
  }
  void Heartbeat() { Push(NewMessage()); }
  static v1::ChannelState* AddState(ServerMessageView* message, uint32_t channel, v1::Phase phase) {
    v1::ChannelState* state = message->head.add_state();
    state->set_channel(channel);
    state->set_phase(phase);
    return state;
  }
  void State(uint32_t channel, v1::Phase phase, uint32_t code = 0, bool discard = false,
             const std::string& reason = "") {
    ServerMessageView message = NewMessage();
    v1::ChannelState* state = AddState(&message, channel, phase);
    state->set_code(code);
    state->set_discard_buffered(discard);
    state->set_reason(reason);
    Push(std::move(message));
  }
  void Grant(uint32_t channel, uint64_t offset, std::string bytes) {
    ServerMessageView message = NewMessage();
    GrantView grant;
    grant.channel = channel;
    grant.offset = offset;
    grant.bytes = bytes.size();
    message.grants.push_back(grant);
    Push(std::move(message), std::move(bytes));
  }
  void Drain(uint64_t deadline_ms) {
    ServerMessageView message = NewMessage();
    message.head.mutable_drain()->set_reason("test");
    message.head.mutable_drain()->set_deadline_ms(deadline_ms);
    Push(std::move(message));
  }

  // Of all Credits sent so far, the last line about a channel; nullptr = none.
  const v1::Line* LastLine(uint32_t channel) const {
    const v1::Line* last = nullptr;
    for (const v1::AgentMessage& message : sent) {
      for (const v1::Line& line : message.credit().line()) {
        if (line.channel() == channel) last = &line;
      }
    }
    return last;
  }
  size_t CreditMessages() const {
    size_t count = 0;
    for (const v1::AgentMessage& message : sent) count += message.has_credit();
    return count;
  }
  // Credits without lines.
  size_t Heartbeats() const {
    size_t count = 0;
    for (const v1::AgentMessage& message : sent) {
      count += message.has_credit() && message.credit().line().empty();
    }
    return count;
  }
  // The channel that the last Open of a class used; 0 = none.
  uint32_t ChannelOf(const std::string& class_name) const {
    uint32_t channel = 0;
    for (const v1::AgentMessage& message : sent) {
      if (message.open().class_() == class_name) channel = message.open().channel();
    }
    return channel;
  }
};

class FakeStream final : public EntropyStream {
 public:
  explicit FakeStream(std::shared_ptr<FakeWire> wire) : wire_(std::move(wire)) {}
  ~FakeStream() override { wire_->destroyed = true; }

  bool Send(const v1::AgentMessage& message) override {
    if (!wire_->alive() || wire_->half_closed) return false;
    wire_->sent.push_back(message);
    if (wire_->blocked) ++wire_->unsent;
    return true;
  }
  size_t unsent() const override { return wire_->unsent; }
  std::unique_ptr<ReceivedMessage> TryNext() override {
    if (wire_->inbox.empty()) return nullptr;
    auto message = std::make_unique<Message>(std::move(wire_->inbox.front()),
                                             std::exchange(wire_->malformed, false));
    wire_->inbox.pop_front();
    return message;
  }
  bool connected() const override { return wire_->connected; }
  absl::optional<absl::Status> finished() const override {
    if (!wire_->inbox.empty()) return absl::nullopt;
    return wire_->end;
  }
  void HalfClose() override { wire_->half_closed = true; }
  void Cancel() override {
    wire_->cancelled = true;
    if (!wire_->end.has_value()) wire_->End(absl::CancelledError("cancelled"));
  }

 private:
  class Message final : public ReceivedMessage {
   public:
    Message(std::pair<ServerMessageView, std::string> content, bool malformed)
        : bytes_(std::move(content.second)), view_(std::move(content.first)) {
      if (malformed) {
        view_ = absl::InvalidArgumentError("no ServerMessage");
        return;
      }
      // Two pieces each, as a message that spans slices.
      absl::Span<const uint8_t> rest(reinterpret_cast<const uint8_t*>(bytes_.data()),
                                     bytes_.size());
      for (GrantView& grant : view_->grants) {
        const size_t n = std::min(grant.bytes, rest.size());
        grant.pieces = {rest.subspan(0, n / 2), rest.subspan(n / 2, n - n / 2)};
        rest.remove_prefix(n);
      }
    }
    const absl::StatusOr<ServerMessageView>& view() const override { return view_; }

   private:
    const std::string bytes_;
    absl::StatusOr<ServerMessageView> view_;
  };

  const std::shared_ptr<FakeWire> wire_;
};

class FakeNet {
 public:
  absl::StatusOr<std::unique_ptr<EntropyStream>> Dial(const std::string& server,
                                                      std::function<void()> wake) {
    dialled.push_back(server);
    if (auto it = broken.find(server); it != broken.end()) return it->second;
    wires.push_back(std::make_shared<FakeWire>());
    wires.back()->server = server;
    wires.back()->wake = std::move(wake);
    return std::make_unique<FakeStream>(wires.back());
  }
  FakeWire& last() { return *wires.back(); }

  std::vector<std::string> dialled;
  std::vector<std::shared_ptr<FakeWire>> wires;  // one per successful dial
  std::map<std::string, absl::Status> broken;
};

}  // namespace entropyd
