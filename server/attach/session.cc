#include "server/attach/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// A peer repeats these to its operator: what came, what is allowed.
absl::Status Violation(absl::string_view what) { return absl::InvalidArgumentError(what); }

}  // namespace

Session::Session(Peer peer, const Limits& limits)
    : MailNode(Kind::kSession), peer_(std::move(peer)), limits_(limits) {}

Session::~Session() = default;

Channel* Session::Find(uint32_t number) const {
  for (const auto& channel : channels_) {
    if (channel->number == number) return channel.get();
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
  if (hello.version_min() > kVersion || hello.version_max() < kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("refuse hello: this server speaks version ", kVersion, ", the peer ",
                     hello.version_min(), " to ", hello.version_max(), "; upgrade the older one"));
  }
  if (hello.host_id().size() != kHostIdBytes) {
    return Violation(absl::StrCat("refuse hello: host_id has ", hello.host_id().size(),
                                  " bytes, must have ", kHostIdBytes));
  }
  host_id_ = hello.host_id();
  id_ = session_id;
  phase_ = Phase::kReady;
  welcome_due_ = true;
  return absl::OkStatus();
}

absl::StatusOr<Channel*> Session::Open(const v1::Open& open) {
  if (open.channel() < 1 || open.channel() > kMaxChannel) {
    return Violation(
        absl::StrCat("refuse open: channel ", open.channel(), " is not in 1..", kMaxChannel));
  }
  if (Find(open.channel()) != nullptr) {
    return Violation(absl::StrCat("refuse open: channel ", open.channel(),
                                  " was used on this stream; numbers are not reused"));
  }
  channels_.push_back(std::make_unique<Channel>());
  Channel* channel = channels_.back().get();
  channel->session = this;
  channel->number = open.channel();
  channel->name = open.class_();
  StateDue(channel, false);
  return channel;
}

absl::StatusOr<Channel*> Session::Credit(const v1::Line& line) {
  Channel* channel = Find(line.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " was never opened"));
  }
  if (line.received() < channel->received || line.limit() < channel->limit) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " goes back to limit ",
                                  line.limit(), ", received ", line.received(), " from ",
                                  channel->limit, ", ", channel->received));
  }
  if (line.received() > channel->sent) {
    return Violation(absl::StrCat("refuse credit: channel ", line.channel(), " received ",
                                  line.received(), " bytes of ", channel->sent, " sent"));
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
  channel->received = line.received();
  channel->guests = std::min(line.guests(), kMaxGuests);
  channel->waiting_guests =
      line.has_waiting_guests() ? std::min(line.waiting_guests(), kMaxGuests) : channel->guests;
  if (channel->phase == v1::PHASE_CLOSED) return static_cast<Channel*>(nullptr);
  channel->limit = line.limit();
  return channel;
}

absl::StatusOr<Channel*> Session::Close(const v1::Close& close) {
  Channel* channel = Find(close.channel());
  if (channel == nullptr) {
    return Violation(absl::StrCat("refuse close: channel ", close.channel(), " was never opened"));
  }
  if (channel->phase == v1::PHASE_CLOSED) return static_cast<Channel*>(nullptr);
  return channel;
}

void Session::CloseChannel(Channel* channel, absl::StatusCode code, absl::string_view reason) {
  channel->phase = v1::PHASE_CLOSED;
  channel->close_code = code;
  channel->close_reason = std::string(reason);
  StateDue(channel, false);
}

void Session::BeginDrain(absl::string_view reason, int64_t now_nanos, int64_t deadline_nanos) {
  if (phase_ == Phase::kDone) return;
  if (drain_deadline_nanos_ != 0 && drain_deadline_nanos_ <= deadline_nanos) return;
  drain_deadline_nanos_ = std::max(deadline_nanos, now_nanos);
  drain_reason_ = std::string(reason);
  if (phase_ == Phase::kNew) return;  // has nothing to move; the deadline alone ends it
  phase_ = Phase::kDraining;
  drain_due_ = true;
}

uint32_t Session::Plan(Channel* channel, uint32_t bytes, uint32_t max_ahead) {
  if (phase_ == Phase::kDone) return 0;
  const uint32_t most =
      write_outstanding_ ? std::min(max_ahead, limits_.max_payload) : limits_.max_payload;
  const uint32_t taken = std::min(bytes, most - std::min(most, planned_));
  channel->planned += taken;
  planned_ += taken;
  return taken;
}

uint32_t Session::Unplan(Channel* channel) {
  planned_ -= channel->planned;
  return std::exchange(channel->planned, 0);
}

v1::ServerMessage Session::NextHead(int64_t now_nanos) const {
  v1::ServerMessage head;
  head.set_seq(next_seq_);
  if (welcome_due_) {
    v1::Welcome* welcome = head.mutable_welcome();
    welcome->set_version(kVersion);
    welcome->set_session_id(id_);
    welcome->set_max_credit(limits_.max_credit);
    welcome->set_max_payload(limits_.max_payload);
  }
  if (drain_due_) {
    head.mutable_drain()->set_reason(drain_reason_);
    const int64_t left = std::max<int64_t>(0, drain_deadline_nanos_ - now_nanos);
    head.mutable_drain()->set_deadline_ms(static_cast<uint64_t>(left / 1'000'000));
  }
  return head;
}

void Session::StateDue(Channel* channel, bool discard) {
  channel->discard_due = channel->discard_due || discard;
  if (channel->state_due) return;
  channel->state_due = true;
  ++states_due_;
}

void Session::StateTold(Channel* channel) {
  if (!channel->state_due) return;
  channel->state_due = channel->discard_due = false;
  --states_due_;
}

void Session::Sent(uint32_t payload, int64_t now_nanos) {
  ++next_seq_;
  welcome_due_ = drain_due_ = false;
  write_outstanding_ = true;
  write_payload_ = payload;
  write_started_nanos_ = now_nanos;
}

uint32_t Session::WriteEnded() {
  write_outstanding_ = false;
  return std::exchange(write_payload_, 0);
}

absl::Status Session::Expired(int64_t now_nanos) const {
  if (phase_ == Phase::kDone) return absl::OkStatus();
  if (phase_ == Phase::kNew && now_nanos - started_nanos_ >= kHelloTimeoutNanos) {
    return absl::DeadlineExceededError("no hello within 10 s of the stream's start");
  }
  if (drain_deadline_nanos_ != 0 && now_nanos >= drain_deadline_nanos_) {
    return absl::UnavailableError(absl::StrCat("drained: ", drain_reason_));
  }
  return absl::OkStatus();
}

bool Session::Stuck(int64_t now_nanos) const {
  if (!write_outstanding_) return false;
  return now_nanos - write_started_nanos_ >= kWriteTimeoutNanos ||
         (phase_ == Phase::kDone && now_nanos - ended_nanos_ >= kEndTimeoutNanos);
}

void Session::End(const absl::Status& status, int64_t now_nanos) {
  if (phase_ == Phase::kDone) return;
  phase_ = Phase::kDone;
  end_status_ = status;
  ended_nanos_ = now_nanos;
}

uint32_t Session::guests() const {
  uint32_t guests = 0;  // a host's guests may get from several classes: the largest is the floor
  for (const auto& channel : channels_) {
    if (channel->phase != v1::PHASE_CLOSED) guests = std::max(guests, channel->guests);
  }
  return guests;
}

uint64_t Session::sent_bytes() const {
  uint64_t bytes = 0;
  for (const auto& channel : channels_) bytes += channel->sent;
  return bytes;
}

uint64_t Session::unconfirmed_bytes() const {
  uint64_t bytes = 0;
  for (const auto& channel : channels_) bytes += channel->unconfirmed();
  return bytes;
}

}  // namespace entropyd
