#include "client/attach_ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace entropyd {

absl::StatusOr<uint32_t> AttachLedger::Open() {
  if (next_channel_ > kMaxChannels) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "open channel: the stream has used its ", kMaxChannels, " channels; attach a new stream"));
  }
  channels_.emplace(next_channel_, Channel{});
  return next_channel_++;
}

AttachLedger::Channel* AttachLedger::Find(uint32_t channel) {
  auto it = channels_.find(channel);
  return it == channels_.end() ? nullptr : &it->second;
}

const AttachLedger::Channel* AttachLedger::Find(uint32_t channel) const {
  auto it = channels_.find(channel);
  return it == channels_.end() ? nullptr : &it->second;
}

absl::Status AttachLedger::Accept(const ServerMessageView& message) {
  if (message.head.seq() != next_seq_) {
    return absl::DataLossError(absl::StrCat("accept server message: seq ", message.head.seq(),
                                            " where ", next_seq_, " was due"));
  }
  ++next_seq_;
  if (absl::Status status = AcceptWelcome(message); !status.ok()) return status;
  for (const v1::ChannelState& state : message.head.state()) {
    if (absl::Status status = AcceptState(state); !status.ok()) return status;
  }
  uint64_t payload = 0;
  for (const GrantView& grant : message.grants) {
    if (absl::Status status = AcceptGrant(grant); !status.ok()) return status;
    payload += grant.bytes;
  }
  if (payload > welcome_.max_payload()) {
    return absl::OutOfRangeError(absl::StrCat("accept server message: ", payload,
                                              " bytes of grants, more than max_payload ",
                                              welcome_.max_payload()));
  }
  return absl::OkStatus();
}

absl::Status AttachLedger::AcceptWelcome(const ServerMessageView& message) {
  if (message.head.has_welcome() == welcomed_) {
    return absl::InvalidArgumentError(
        welcomed_ ? "accept server message: a second Welcome"
                  : "accept server message: the first message bears no Welcome");
  }
  if (welcomed_) return absl::OkStatus();
  const v1::Welcome& welcome = message.head.welcome();
  if (welcome.version() != kAttachVersion || welcome.max_credit() == 0 ||
      welcome.max_payload() == 0 || welcome.max_payload() > kAttachMaxPayload) {
    return absl::InvalidArgumentError(absl::StrCat(
        "accept Welcome: version ", welcome.version(), ", max_credit ", welcome.max_credit(),
        ", max_payload ", welcome.max_payload(), "; version must be ", kAttachVersion,
        ", max_payload 1..", kAttachMaxPayload, " and max_credit above 0"));
  }
  welcome_ = welcome;
  welcomed_ = true;
  return absl::OkStatus();
}

absl::Status AttachLedger::AcceptState(const v1::ChannelState& state) {
  Channel* channel = Find(state.channel());
  if (channel == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("accept ChannelState: channel ", state.channel(), " was never opened"));
  }
  if (channel->closed && state.phase() != v1::PHASE_CLOSED) {
    return absl::InvalidArgumentError(absl::StrCat("accept ChannelState: channel ", state.channel(),
                                                   " is closed; CLOSED is the last word"));
  }
  switch (state.phase()) {
    case v1::PHASE_OPEN:
    case v1::PHASE_SUSPENDED:
      return absl::OkStatus();
    case v1::PHASE_CLOSED:
      channel->closed = true;
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(absl::StrCat("accept ChannelState: channel ",
                                                     state.channel(), ": unknown phase ",
                                                     static_cast<int>(state.phase())));
  }
}

absl::Status AttachLedger::AcceptGrant(const GrantView& grant) {
  Channel* channel = Find(grant.channel);
  if (channel == nullptr || channel->closed) {
    return absl::InvalidArgumentError(absl::StrCat("accept Grant: channel ", grant.channel,
                                                   channel ? " is closed" : " was never opened"));
  }
  if (grant.offset != channel->received) {
    return absl::DataLossError(absl::StrCat("accept Grant: channel ", grant.channel, ": offset ",
                                            grant.offset, " where ", channel->received,
                                            " was due"));
  }
  // The server must keep the limit that it was told, not the one that it will be told next.
  if (grant.bytes > channel->limit_told - channel->received) {
    return absl::OutOfRangeError(
        absl::StrCat("accept Grant: channel ", grant.channel, ": ", grant.bytes, " bytes where ",
                     channel->limit_told - channel->received, " were promised"));
  }
  channel->received += grant.bytes;
  return absl::OkStatus();
}

bool AttachLedger::Promise(uint32_t channel, uint64_t bytes) {
  Channel* c = Find(channel);
  if (c == nullptr || c->closed || !welcomed_) return false;
  const uint64_t promise = std::min(bytes, welcome_.max_credit());
  if (promise <= c->promised()) return false;
  c->limit = c->received + promise;
  return true;
}

v1::Line AttachLedger::TakeLine(uint32_t channel, uint32_t guests) {
  v1::Line line;
  line.set_channel(channel);
  line.set_guests(guests);
  if (Channel* c = Find(channel); c != nullptr) {
    line.set_limit(c->limit);
    line.set_received(c->received);
    c->limit_told = c->limit;
    c->acked = c->received;
  }
  return line;
}

}  // namespace entropyd
