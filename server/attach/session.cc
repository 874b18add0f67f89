#include "server/attach/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/names.h"
#include "server/dispatch/class_table.h"

namespace entropyd {
namespace {

// The peer shows these to its operator: what came, and what is allowed.
absl::Status Violation(absl::string_view what) { return absl::InvalidArgumentError(what); }

}  // namespace

Session::Session(Peer peer, const Limits& limits, PayloadBudgets* budgets, Deliveries* all,
                 Owner* owner)
    : peer_(std::move(peer)),
      limits_(limits),
      budgets_(budgets),
      owner_(owner),
      planned_(&budgets->planned),
      deliveries_(all),
      in_flight_(&budgets->in_flight),
      written_(&in_flight_) {}

Session::~Session() = default;

void Session::OnMail(uint32_t events, int64_t now_nanos) {
  owner_->OnSession(this, events, now_nanos);
}

void Session::OnRoom(int64_t now_nanos) { Unpark(now_nanos); }

void Session::Start(int64_t now_nanos, int64_t rotate_nanos) {
  started_nanos_ = heard_nanos_ = now_nanos;
  rotate_nanos_ = rotate_nanos;
}

void Session::Hold(IdentityShares::Place place) {
  place_ = std::move(place);
  planned_.CountIn(place_.bytes());
  in_flight_.CountIn(place_.bytes());
}

bool Session::Full() {
  ByteBudget* full = nullptr;
  if (place_ && place_.bytes()->full()) {
    full = place_.bytes();
  } else if (budgets_->all.full()) {
    full = &budgets_->all;
  }
  if (full == nullptr) return false;
  if (write_outstanding_) return true;  // the end of the write unparks it
  if (full != &budgets_->all && !waiting()) place_.CountByteWait();
  full->Await(this);
  return true;
}

void Session::Announce() {
  if (announced_ || write_outstanding_ || ended() || (planned() == 0 && !HasNews())) return;
  announced_ = true;
  owner_->OnSomethingToSend(this);
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

absl::Status Session::CheckOrder(const v1::AgentMessage& message) const {
  if (message.body_case() == v1::AgentMessage::BODY_NOT_SET) {
    return Violation("refuse AgentMessage: it has no body; send hello, open, credit or close");
  }
  if ((phase_ == Phase::kNew) != message.has_hello()) {
    return Violation(phase_ == Phase::kNew ? "refuse AgentMessage: the first one must be hello"
                                           : "refuse hello: it was said already");
  }
  return absl::OkStatus();
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
  if (hello.heartbeat_ms() > 0) {
    patience_nanos_ = std::max(kSilenceTimeoutNanos, 3 * kMillisecondNanos * hello.heartbeat_ms());
  }
  // It may have been drained before it said anything.
  drain_due_ = drain_deadline_nanos_ != 0;
  phase_ = drain_due_ ? Phase::kDraining : Phase::kReady;
  welcome_due_ = true;
  Announce();
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
  channels_.push_back(std::make_unique<Channel>(this, open.channel(),
                                                named ? open.class_() : Excerpt(open.class_()),
                                                &planned_, &deliveries_));
  Channel* const channel = channels_.back().get();
  StateDue(channel, false);
  if (!named) {
    Refuse(channel, {.cause = ClassRefusal::Cause::kNoName});
  } else if (other != nullptr) {
    Refuse(channel, {.cause = ClassRefusal::Cause::kOpenAlready, .channel = other->number()});
  }
  return channel;
}

absl::StatusOr<Channel*> Session::Credit(const v1::Line& line) {
  Channel* channel = Find(line.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " was never opened"));
  }
  if (line.received() < channel->received() || line.limit() < channel->limit_) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " goes back to limit ",
                                  line.limit(), ", received ", line.received(), " from ",
                                  channel->limit_, ", ", channel->received()));
  }
  if (line.received() > channel->sent()) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " received ",
                                  line.received(), " bytes of ", channel->sent(), " sent"));
  }
  if (line.limit() < line.received()) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " has limit ",
                                  line.limit(), " below received ", line.received()));
  }
  if (line.limit() - line.received() > limits_.max_credit) {
    return absl::OutOfRangeError(absl::StrCat("refuse credit: channel ", line.channel(),
                                              " promises room for ", line.limit() - line.received(),
                                              " bytes, max_credit is ", limits_.max_credit));
  }
  channel->delivered_.Acknowledge(line.received() - channel->received());
  channel->guests_ = std::min(line.guests(), kMaxGuests);
  channel->waiting_guests_ =
      line.has_waiting_guests() ? std::min(line.waiting_guests(), kMaxGuests) : channel->guests_;
  if (channel->phase_ == Channel::Phase::kClosed) return static_cast<Channel*>(nullptr);
  channel->limit_ = line.limit();
  return channel;
}

absl::Status Session::Close(const v1::Close& close) {
  Channel* channel = Find(close.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse close: channel ", close.channel(), " was never opened"));
  }
  if (channel->phase_ == Channel::Phase::kClosed) return absl::OkStatus();
  channel->plan_.GiveBack();
  channel->Leave();
  channel->phase_ = Channel::Phase::kClosed;
  StateDue(channel, false);
  return absl::OkStatus();
}

void Session::Join(Channel* channel, Leaf* leaf, uint32_t max_weight) {
  channel->max_weight_ = max_weight;
  channel->Join(leaf);
  channel->phase_ = leaf->slot->state.ready() ? Channel::Phase::kOpen : Channel::Phase::kSuspended;
}

void Session::Refuse(Channel* channel, ClassRefusal refusal) {
  channel->phase_ = Channel::Phase::kClosed;
  channel->refusal_ = std::move(refusal);
  StateDue(channel, false);
}

void Session::Reweigh(Channel* channel, uint32_t max_weight) {
  if (channel->max_weight_ == max_weight) return;
  channel->max_weight_ = max_weight;
  channel->Reweigh();
}

void Session::Expel(Channel* channel, ClassRefusal refusal) {
  channel->plan_.GiveBack();
  channel->Leave();
  Refuse(channel, std::move(refusal));
}

void Session::BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos) {
  if (phase_ == Phase::kDone) return;
  if (drain_deadline_nanos_ != 0 && drain_deadline_nanos_ <= deadline_nanos) return;
  drain_deadline_nanos_ = std::max(deadline_nanos, now_nanos);
  drain_reason_ = std::string(reason);
  if (phase_ == Phase::kNew) return;  // Hello() tells it; without one, the deadline ends it
  phase_ = Phase::kDraining;
  drain_due_ = true;
  Announce();
}

uint32_t Session::Plan(Channel* channel, uint32_t bytes, uint32_t max_ahead) {
  if (ended() || Full()) return 0;
  const uint32_t most =
      write_outstanding_ ? std::min(max_ahead, limits_.max_payload) : limits_.max_payload;
  const uint64_t room = most - std::min<uint64_t>(most, planned());
  const uint32_t taken = static_cast<uint32_t>(std::min<uint64_t>(bytes, room));
  if (taken == 0) return 0;
  channel->plan_.Grow(taken);
  Announce();
  return taken;
}

v1::ServerMessage Session::NextHead(int64_t now_nanos) const {
  v1::ServerMessage head;
  head.set_seq(next_seq_);
  if (welcome_due_) {
    v1::Welcome* welcome = head.mutable_welcome();
    welcome->set_version(kAttachVersion);
    welcome->set_session_id(id_);
    welcome->set_max_credit(limits_.max_credit);
    welcome->set_max_payload(limits_.max_payload);
    welcome->set_heartbeat_ms(kServerHeartbeatNanos / kMillisecondNanos);
  }
  for (const auto& channel : channels_) {
    if (channel->state_due_) channel->Describe(head.add_state());
  }
  if (drain_due_) {
    head.mutable_drain()->set_reason(drain_reason_);
    const int64_t left = std::max<int64_t>(0, drain_deadline_nanos_ - now_nanos);
    head.mutable_drain()->set_deadline_ms(static_cast<uint64_t>(left / 1'000'000));
  }
  return head;
}

void Session::StateDue(Channel* channel, bool discard) {
  channel->discard_due_ = channel->discard_due_ || discard;
  if (!channel->state_due_) {
    channel->state_due_ = true;
    ++states_due_;
  }
  Announce();
}

uint32_t Session::Drawn(Channel* channel) {
  const uint32_t bytes = channel->plan_.MoveTo(&written_);
  channel->delivered_.Send(bytes);
  return bytes;
}

void Session::Refused(Channel* channel, int64_t now_nanos) {
  channel->plan_.GiveBack();
  channel->Want(channel->want(), now_nanos);
}

void Session::Sent(int64_t now_nanos) {
  ++next_seq_;
  welcome_due_ = drain_due_ = heartbeat_due_ = false;
  for (const auto& channel : channels_) channel->state_due_ = channel->discard_due_ = false;
  states_due_ = 0;
  write_outstanding_ = true;
  write_started_nanos_ = now_nanos;
}

void Session::WriteEnded(int64_t now_nanos) {
  write_outstanding_ = false;
  written_.Spend();
  if (ended()) return;
  Unpark(now_nanos);
  Announce();
}

void Session::Unpark(int64_t now_nanos) {
  for (const auto& channel : channels_) channel->Unpark(now_nanos);
}

SessionEnd Session::Expired(int64_t now_nanos) const {
  if (ended()) return {};
  if (phase_ == Phase::kNew && now_nanos - started_nanos_ >= kHelloTimeoutNanos) {
    return {.cause = SessionEnd::Cause::kNoHello};
  }
  if (patience_nanos_ != kNever && now_nanos - heard_nanos_ >= patience_nanos_) {
    return {.cause = SessionEnd::Cause::kSilent};
  }
  if (drain_deadline_nanos_ != 0 && now_nanos >= drain_deadline_nanos_) {
    return {.cause = SessionEnd::Cause::kDrained, .drain_reason = drain_reason_};
  }
  return {};
}

bool Session::RotationDue(int64_t now_nanos) const {
  return phase_ == Phase::kReady && now_nanos >= rotate_nanos_;
}

bool Session::HeartbeatDue(int64_t now_nanos) const {
  return (phase_ == Phase::kReady || phase_ == Phase::kDraining) && !write_outstanding_ &&
         !announced_ && now_nanos - write_started_nanos_ >= kHeartbeatAfterNanos;
}

void Session::OweHeartbeat() {
  heartbeat_due_ = true;
  Announce();
}

bool Session::Stuck(int64_t now_nanos) const {
  if (!write_outstanding_) return false;
  return now_nanos - write_started_nanos_ >= kWriteTimeoutNanos ||
         (phase_ == Phase::kDone && now_nanos >= end_deadline_nanos());
}

int64_t Session::end_deadline_nanos() const {
  const bool shut_out = end_.cause == SessionEnd::Cause::kShutOut;
  return ended_nanos_ + (shut_out ? kShutOutTimeoutNanos : kEndTimeoutNanos);
}

void Session::End(SessionEnd end, int64_t now_nanos) {
  if (ended()) return;
  phase_ = Phase::kDone;
  end_ = std::move(end);
  ended_nanos_ = now_nanos;
  StopWaiting();
  for (const auto& channel : channels_) {
    channel->plan_.GiveBack();
    channel->Leave();
  }
}

bool Session::TakeFinish() {
  if (!ended() || finished_ || write_outstanding_) return false;
  finished_ = true;
  return true;
}

uint32_t Session::guests() const {
  uint32_t guests = 0;  // a host's guests may get from several classes: the largest is the floor
  for (const auto& channel : channels_) {
    if (channel->phase() != Channel::Phase::kClosed) guests = std::max(guests, channel->guests());
  }
  return guests;
}

}  // namespace entropyd
