// A stream of the model of Attach, between what the agent holds of it (FakeWire) and what the
// server holds of it (FakePeer). It moves one thing at a time, as the network would: a message up
// or down, the end of a write, what one end learns of the other's end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/hostagent/fake_server.h"
#include "tests/server/attach/model_host.h"
#include "tests/server/attach/model_server.h"
#include "tests/server/attach/word_fates.h"

namespace entropyd {

class ModelLink {
 public:
  ModelLink(std::shared_ptr<FakeWire> wire, ModelServer* server, const ModelHost* host,
            WordFates* fates)
      : wire_(std::move(wire)), server_(server), host_(host), fates_(fates) {}

  // Each returns false when there is nothing to do. -----------------------------------------------

  // The server takes the stream.
  bool Accept() {
    if (peer_ != nullptr || severed_ || !wire_->alive()) return false;
    peer_ = server_->Attach(host_->identity());
    return true;
  }
  // The agent's next message, or that there will be none.
  bool Up() {
    if (!Reading() || severed_) return false;
    if (wire_->read < wire_->sent.size() - wire_->unsent) {
      Hear(wire_->sent[wire_->read++]);
      return true;
    }
    if (!wire_->half_closed || wire_->unsent > 0) return false;
    ++answered_;
    server_->Post(peer_->session, Session::kReadEnd);
    return true;
  }
  // The server's next message comes out of the network, cut anywhere. `cut`: after so many bytes,
  // and again and again.
  bool Down(size_t cut) {
    if (peer_ == nullptr || carried_ == peer_->wire.messages.size()) return false;
    Note();
    const MessageBuffer& message = peer_->wire.messages[carried_++]->buffer;
    if (severed_ || !wire_->alive()) return true;
    const absl::Span<const uint8_t> whole(message.data(), message.size());
    std::vector<absl::Span<const uint8_t>> slices;
    for (size_t at = 0; at < whole.size(); at += cut) slices.push_back(whole.subspan(at, cut));
    ServerMessageView view = ParseServerMessage(slices).value();
    std::string bytes;
    for (const GrantView& grant : view.grants) bytes += BytesOf(grant);
    wire_->Push(std::move(view), std::move(bytes));
    return true;
  }
  // The network has taken the server's message.
  bool Written() {
    if (peer_ == nullptr || gone_ || !peer_->write_pending()) return false;
    server_->Written(peer_);
    return true;
  }
  // What the agent has sent leaves it; from now on it does so at once, or does not.
  bool Leave(bool blocked) {
    if (!wire_->alive()) return false;
    if (wire_->unsent > 0) wire_->Unblock();
    wire_->blocked = blocked;
    return true;
  }
  // The connection breaks. What is on its way is lost, and no end knows of it yet.
  bool Sever() {
    if (severed_ || !wire_->alive()) return false;
    severed_ = true;
    return true;
  }
  // The agent learns that the stream is over.
  bool TellAgent() {
    if (!wire_->alive()) return false;
    if (severed_ || (peer_ != nullptr && peer_->wire.cancelled)) {
      wire_->End(absl::UnavailableError("the connection broke"));
      return true;
    }
    if (peer_ == nullptr || !peer_->wire.finished || carried_ < peer_->wire.messages.size()) {
      return false;
    }
    wire_->End(peer_->wire.status);
    return true;
  }
  // The server learns that the agent is gone, or that its own cancellation came through.
  bool TellServer() {
    if (peer_ == nullptr || gone_ || dead_) return false;
    if (!severed_ && !wire_->destroyed && !wire_->cancelled && !peer_->wire.cancelled) return false;
    gone_ = true;
    if (peer_->write_pending()) server_->Written(peer_, false);
    server_->Post(peer_->session, Session::kCancelled);
    return true;
  }
  // The transport's last word.
  bool Bury() {
    if (peer_ == nullptr || dead_ || !peer_->wire.finished || peer_->write_pending()) return false;
    Note();
    if (peer_->session->end().cause == SessionEnd::Cause::kPeerDone) {
      EXPECT_TRUE(Even()) << "an agent that left in good order has lost bytes";
    }
    dead_ = true;
    server_->Post(peer_->session, Session::kDead);
    return true;
  }
  // The agent says what no correct agent says. Returns whether the server had to listen.
  bool Offend(uint64_t how, uint64_t number) {
    if (!Reading() || peer_->session->ended()) return false;
    Note();
    const v1::AgentMessage offence = Offence(how, number);
    ++answered_;
    server_->Say(peer_, offence);
    EXPECT_TRUE(peer_->session->ended()) << "taken: " << offence.ShortDebugString();
    const absl::StatusCode code = ToStatus(peer_->session->end(), "").code();
    EXPECT_TRUE(code == absl::StatusCode::kInvalidArgument || code == absl::StatusCode::kOutOfRange)
        << peer_->session->end().refused;
    return true;
  }

  // After each step -------------------------------------------------------------------------------

  // Notes what the server has sent and what it takes for acknowledged.
  void Note() {
    if (peer_ == nullptr) return;
    for (; noted_ < peer_->wire.messages.size(); ++noted_) {
      const auto& grants = peer_->wire.messages[noted_]->view.grants;
      for (const GrantView& grant : grants) fates_->Sent(lanes_.at(grant.channel), BytesOf(grant));
      mixed_ = mixed_ || grants.size() > 1;
    }
    if (dead_) return;
    for (const auto& channel : peer_->session->channels()) {
      const auto found = lanes_.find(channel->number());
      if (found == lanes_.end()) continue;  // opened by an offence
      const WordFates::Lane& lane = fates_->lane(found->second);
      EXPECT_EQ(channel->credit().sent(), lane.sent_bytes()) << lane.name;
      EXPECT_LE(channel->credit().received(), lane.stored_bytes())
          << lane.name << ": bytes count as received, and the agent does not have them";
      acknowledged_[channel->number()] = channel->credit().received();
    }
  }
  uint64_t sent() const {
    uint64_t bytes = 0;
    for (const auto& [number, lane] : lanes_) bytes += fates_->lane(lane).sent_bytes();
    return bytes;
  }
  uint64_t acknowledged() const {
    uint64_t bytes = 0;
    for (const auto& [number, received] : acknowledged_) bytes += received;
    return bytes;
  }
  // The server has nothing to wait for any more.
  bool over() const { return peer_ != nullptr ? dead_ : severed_ || !wire_->alive(); }
  // Nothing is lost: all that was sent has come, and the server knows it.
  bool Even() const {
    for (const auto& [number, index] : lanes_) {
      const WordFates::Lane& lane = fates_->lane(index);
      if (lane.stored_bytes() != lane.sent_bytes()) return false;
      if (acknowledged_.at(number) != lane.sent_bytes()) return false;
    }
    return true;
  }
  bool ended() const { return dead_ || (peer_ != nullptr && peer_->session->ended()); }
  bool severed() const { return severed_; }
  ModelServer* server() const { return server_; }
  const ModelHost* host() const { return host_; }
  // Some message had bytes of several channels.
  bool mixed() const { return mixed_; }

 private:
  static std::string BytesOf(const GrantView& grant) {
    std::string bytes;
    for (const absl::Span<const uint8_t> piece : grant.pieces) {
      bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return bytes;
  }
  // The server waits for a message.
  bool Reading() const {
    return peer_ != nullptr && !gone_ && !dead_ && !peer_->wire.finished &&
           peer_->wire.reads > answered_;
  }

  void Hear(const v1::AgentMessage& message) {
    if (message.has_open()) Open(message.open().channel(), message.open().class_());
    ++answered_;
    server_->Say(peer_, message);
  }
  void Open(uint32_t number, const std::string& name) {
    for (size_t i = 0; i < kModelClasses.size(); ++i) {
      if (name != kModelClasses[i]) continue;
      const std::string called = absl::StrCat(name, " of host ", host_->number(), " at server ",
                                              wire_->server, ", channel ", number);
      lanes_[number] = fates_->NewLane(server_->PoolOf(i), host_->Holder(i), called);
    }
  }

  v1::AgentMessage Offence(uint64_t how, uint64_t number) const {
    const auto& channels = peer_->session->channels();
    v1::AgentMessage message;
    if (peer_->session->phase() == Session::Phase::kNew) {
      message.mutable_close()->set_channel(1);
      return message;
    }
    if (channels.empty() || how % 8 < 3) {
      if (how % 8 == 0) *message.mutable_hello() = wire_->sent[0].hello();
      if (how % 8 == 1) message.mutable_open()->set_channel(kMaxChannels + 1);
      if (how % 8 > 1) message.mutable_close()->set_channel(kMaxChannels);
      return message;  // nothing at all, now and then
    }
    const Channel& channel = *channels[number % channels.size()];
    v1::Line* const line = message.mutable_credit()->add_line();
    line->set_channel(channel.number());
    line->set_received(channel.credit().received());
    line->set_limit(channel.credit().limit());
    if (how % 8 == 3) line->set_received(channel.credit().sent() + 1 + number % 64);
    if (how % 8 == 3) line->set_limit(std::max(channel.credit().limit(), line->received()));
    if (how % 8 == 4 && channel.credit().received() > 0)
      line->set_received(channel.credit().received() - 1);
    if (how % 8 == 5 && channel.credit().limit() > 0) line->set_limit(channel.credit().limit() - 1);
    if (how % 8 == 6) line->set_limit(channel.credit().received() + 12 * 1024 + 1);
    if (how % 8 == 7) line->set_channel(kMaxChannels);
    if (line->limit() == channel.credit().limit() &&
        line->received() == channel.credit().received() && line->channel() == channel.number()) {
      line->set_channel(kMaxChannels);  // there is nothing to go back from
    }
    return message;
  }

  const std::shared_ptr<FakeWire> wire_;
  ModelServer* const server_;
  const ModelHost* const host_;
  WordFates* const fates_;
  FakePeer* peer_ = nullptr;  // nullptr = the server knows nothing of it yet
  int answered_ = 0;          // reads
  size_t carried_ = 0;        // messages that have come out of the network
  size_t noted_ = 0;          // messages whose bytes the fates know
  bool severed_ = false;
  bool gone_ = false;  // the server was told that the agent is gone
  bool dead_ = false;  // the session is deleted
  bool mixed_ = false;
  std::map<uint32_t, size_t> lanes_;  // by channel
  std::map<uint32_t, uint64_t> acknowledged_;
};

}  // namespace entropyd
