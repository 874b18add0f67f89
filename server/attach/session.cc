#include "server/attach/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/names.h"

namespace entropyd {
namespace {

// The peer shows these to its operator: what came, and what is allowed.
absl::Status Violation(absl::string_view what) { return absl::InvalidArgumentError(what); }

}  // namespace

Session::Session(Peer peer, const Limits& limits, PayloadBudgets* budgets, Deliveries* all,
                 Owner* owner)
    : peer_(std::move(peer)),
      limits_(limits),
      owner_(owner),
      outbox_(limits.max_payload, budgets, this),
      deliveries_(all) {}

void Session::OnMail(uint32_t events, int64_t now_nanos) {
  owner_->OnSession(this, events, now_nanos);
}

void Session::OnRoom(int64_t now_nanos) {
  for (const auto& channel : channels_) channel->Unpark(now_nanos);
}

void Session::Start(int64_t now_nanos, int64_t move_nanos) {
  stay_.Begin(now_nanos, move_nanos);
  inbox_.Heard(now_nanos);
}

void Session::Hold(IdentityShares::Place place) {
  place_ = std::move(place);
  outbox_.CountIn(&place_);
}

Channel* Session::Find(uint32_t number) const {
  for (const auto& channel : channels_) {
    if (channel->number() == number) return channel.get();
  }
  return nullptr;
}

Channel* Session::FindOpen(absl::string_view pool_class) const {
  for (const auto& channel : channels_) {
    if (channel->phase() != Channel::Phase::kClosed && channel->name() == pool_class) {
      return channel.get();
    }
  }
  return nullptr;
}

absl::Status Session::Hello(const v1::Hello& hello, uint64_t session_id) {
  if (hello.version_min() > hello.version_max()) {
    return Violation(absl::StrCat("refuse hello: version_min ", hello.version_min(),
                                  " is above version_max ", hello.version_max()));
  }
  if (hello.version_min() > kAttachVersion || hello.version_max() < kAttachVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("refuse hello: this server speaks version ", kAttachVersion, ", the peer ",
                     hello.version_min(), " to ", hello.version_max(), "; upgrade the older one"));
  }
  if (hello.host_id().size() != kHostIdBytes) {
    return Violation(absl::StrCat("refuse hello: host_id has ", hello.host_id().size(),
                                  " bytes, must have ", kHostIdBytes));
  }
  host_id_ = hello.host_id();
  id_ = session_id;
  inbox_.Promise(hello.heartbeat_ms());
  // It may have been asked to leave before it said anything.
  phase_ = stay_.leaves() ? Phase::kDraining : Phase::kReady;
  outbox_.Tell(Outbox::kWelcome);
  if (stay_.leaves()) outbox_.Tell(Outbox::kDrain);
  return absl::OkStatus();
}

absl::StatusOr<Channel*> Session::Open(const v1::Open& open) {
  if (open.channel() < 1 || open.channel() > kMaxChannels) {
    return Violation(
        absl::StrCat("refuse open: channel ", open.channel(), " is not in 1..", kMaxChannels));
  }
  if (Find(open.channel()) != nullptr) {
    return Violation(absl::StrCat("refuse open: channel ", open.channel(),
                                  " was used on this stream; numbers are not reused"));
  }
  const bool named = IsPoolClass(open.class_());
  const Channel* const other = FindOpen(open.class_());
  // A channel keeps its name until the stream ends, so only what may be a class is kept whole.
  channels_.push_back(std::make_unique<Channel>(open.channel(),
                                                named ? open.class_() : Excerpt(open.class_()),
                                                peer_.identity, &outbox_, &deliveries_));
  Channel* const channel = channels_.back().get();
  if (!named) {
    channel->Refuse({.cause = ClassRefusal::Cause::kNoName});
  } else if (other != nullptr) {
    channel->Refuse({.cause = ClassRefusal::Cause::kOpenAlready, .channel = other->number()});
  }
  return channel;
}

absl::StatusOr<Channel*> Session::Credit(const v1::Line& line) {
  Channel* channel = Find(line.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " was never opened"));
  }
  absl::Status credited = channel->Credit(line, limits_.max_credit);
  if (!credited.ok()) return credited;
  return channel->phase() == Channel::Phase::kClosed ? nullptr : channel;
}

absl::Status Session::Close(const v1::Close& close) {
  Channel* channel = Find(close.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse close: channel ", close.channel(), " was never opened"));
  }
  channel->Close();
  return absl::OkStatus();
}

void Session::BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos) {
  if (phase_ == Phase::kDone) return;
  if (!stay_.AskToLeave(reason, now_nanos, deadline_nanos)) return;
  if (phase_ == Phase::kNew) return;  // Hello() tells it; without one, the deadline ends it
  phase_ = Phase::kDraining;
  outbox_.Tell(Outbox::kDrain);
}

void Session::TellStates(v1::ServerMessage* head) {
  for (const auto& channel : channels_) {
    if (!channel->state_due()) continue;
    if (head->ByteSizeLong() >= kAttachMaxStates) return outbox_.TellNext(Outbox::kStates);
    channel->TellState(head->add_state());
  }
}

v1::ServerMessage Session::TakeHead(int64_t now_nanos) {
  v1::ServerMessage head;
  head.set_seq(outbox_.seq());
  if (outbox_.telling(Outbox::kWelcome)) {
    v1::Welcome* welcome = head.mutable_welcome();
    welcome->set_version(kAttachVersion);
    welcome->set_session_id(id_);
    welcome->set_max_credit(limits_.max_credit);
    welcome->set_max_payload(limits_.max_payload);
    welcome->set_heartbeat_ms(kServerHeartbeatNanos / kMillisecondNanos);
  }
  if (outbox_.telling(Outbox::kStates)) TellStates(&head);
  if (outbox_.telling(Outbox::kDrain)) {
    head.mutable_drain()->set_reason(stay_.reason());
    const int64_t left = std::max<int64_t>(0, stay_.deadline_nanos() - now_nanos);
    head.mutable_drain()->set_deadline_ms(static_cast<uint64_t>(left / kMillisecondNanos));
  }
  return head;
}

SessionEnd Session::Expired(int64_t now_nanos) const {
  if (ended()) return {};
  if (phase_ == Phase::kNew && now_nanos - stay_.begun_nanos() >= kHelloTimeoutNanos) {
    return {.cause = SessionEnd::Cause::kNoHello};
  }
  if (inbox_.Silent(now_nanos)) return {.cause = SessionEnd::Cause::kSilent};
  if (stay_.Over(now_nanos)) {
    return {.cause = SessionEnd::Cause::kDrained, .drain_reason = stay_.reason()};
  }
  return {};
}

void Session::End(SessionEnd end, int64_t now_nanos) {
  if (ended()) return;
  phase_ = Phase::kDone;
  end_ = std::move(end);
  const bool shut_out = end_.cause == SessionEnd::Cause::kShutOut;
  outbox_.Close(now_nanos + (shut_out ? kShutOutTimeoutNanos : kEndTimeoutNanos));
  for (const auto& channel : channels_) channel->End();
}

}  // namespace entropyd
