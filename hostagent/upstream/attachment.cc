#include "hostagent/upstream/attachment.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/process/nanos.h"
#include "base/text/names.h"
#include "base/text/utf8.h"

namespace entropyd {
namespace {

// Acks that raise no limit have one use: they tell the server what to count as lost if the stream
// breaks.
constexpr int64_t kAckInterval = 100 * kMillisecondNanos;
// A class that the server closed may be allowed, or come back, at any time. To ask costs a message.
constexpr int64_t kReopenAfter = 30 * kSecondNanos;
// The credit rule excludes it. If it happens all the same, the message is refused like any excess.
constexpr char kOverflow[] = "accept Grant: the buffer has no room for what was promised";

// A server may list its classes in a reason.
constexpr size_t kMaxReasonBytes = 4096;

// What a server says, as it is repeated to people from here on.
std::string Said(absl::string_view text) {
  const std::string escaped = EscapeControls(CutUtf8(text, kMaxReasonBytes), "");
  return std::string(CutUtf8(escaped, kMaxReasonBytes));
}

// The reason says which classes there are, if the server tells it.
absl::string_view ClosedRemedy(uint32_t code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kNotFound:
      return "name a class of the server in this agent's configuration and reload it, or add the "
             "class to `pools` of the server; until then its guests wait";
    case absl::StatusCode::kPermissionDenied:
      return "allow the class to this host in `policy` of the server, or name another one in this "
             "agent's configuration; until then its guests wait";
    default:
      return "none needed if the class opens again; it is asked for every half a minute";
  }
}

}  // namespace

Attachment::Attachment(const Context* context, std::string server,
                       std::unique_ptr<EntropyStream> stream)
    : context_(*context),
      server_(std::move(server)),
      started_(context->clock->NowNanos()),
      stream_(std::move(stream)),
      sent_at_(started_),
      heard_at_(started_) {
  v1::AgentMessage message;
  v1::Hello* hello = message.mutable_hello();
  hello->set_version_min(kAttachVersion);
  hello->set_version_max(kAttachVersion);
  hello->set_host_id(context_.host_id);
  hello->set_heartbeat_ms(kAgentHeartbeatNanos / kMillisecondNanos);
  Send(message);
  for (const Class& of : context_.classes) lanes_.emplace_back(&of);
  for (Lane& lane : lanes_) OpenLane(&lane);
}

Attachment::~Attachment() = default;

void Attachment::OpenLane(Lane* lane) {
  lane->reopen_at = INT64_MAX;
  absl::StatusOr<uint32_t> channel = ledger_.Open();
  if (!channel.ok()) {
    exhausted_ = true;
    return;
  }
  lane->channel = *channel;
  lane->guests_told = lane->waiting_told = 0;
  lane->answered = false;
  v1::AgentMessage message;
  message.mutable_open()->set_channel(*channel);
  message.mutable_open()->set_class_(lane->of->buffer->class_name());
  Send(message);
}

bool Attachment::Receive(int max_messages) {
  std::vector<const Class*> brought;
  for (int i = 0; i < max_messages; ++i) {
    std::unique_ptr<ReceivedMessage> message = stream_->TryNext();
    if (message == nullptr) return false;
    heard_at_ = context_.clock->NowNanos();
    if (!given_up_.ok()) continue;  // cancelled: what still comes is wiped unread
    brought.clear();
    const absl::Status status =
        message->view().ok() ? Accept(*message->view(), &brought) : message->view().status();
    message.reset();
    if (!status.ok()) Refuse(status);
    for (const Class* of : brought) of->filled->OnArrival();
  }
  return true;
}

absl::Status Attachment::Accept(const ServerMessageView& message,
                                std::vector<const Class*>* brought) {
  if (absl::Status status = ledger_.Accept(message); !status.ok()) return status;
  for (v1::ChannelState state : message.head.state()) {
    state.set_reason(Said(state.reason()));
    ApplyState(state);
  }
  if (message.head.has_drain()) {
    drain_ = message.head.drain();
    drain_->set_reason(Said(drain_->reason()));
  }
  for (const GrantView& grant : message.grants) {
    const Class* const of = LaneWith(grant.channel)->of;
    ClassBuffer* const to = of->buffer;
    if (grant.bytes > to->size() - to->level()) return absl::OutOfRangeError(kOverflow);
    for (absl::Span<const uint8_t> piece : grant.pieces) to->Append(piece);
    of->received_bytes->Increment(static_cast<double>(grant.bytes));
    if (brought->empty() || brought->back() != of) brought->push_back(of);
  }
  return absl::OkStatus();
}

void Attachment::ApplyState(const v1::ChannelState& state) {
  Lane* const told = LaneWith(state.channel());
  if (told == nullptr) return;
  Lane& lane = *told;
  ClassBuffer* const to = lane.of->buffer;
  if (state.discard_buffered()) {
    context_.log->Warning("class.discarded", {{"class", to->class_name()},
                                              {"server", server_},
                                              {"bytes", to->level()},
                                              {"reason", state.reason()}});
    to->Discard();
  }
  if (lane.state.phase() != state.phase() || lane.state.code() != state.code()) {
    LogPhase(to->class_name(), state);
  }
  if (state.phase() != v1::PHASE_SUSPENDED) {
    lane.suspended_since = INT64_MAX;
  } else if (lane.suspended_since == INT64_MAX) {
    lane.suspended_since = context_.clock->NowNanos();
  }
  if (state.quality() != v1::QUALITY_UNSPECIFIED) {
    to->SetFullEntropy(state.quality() == v1::QUALITY_FULL);
  }
  // CLOSED bears no figures: the last ones hold.
  if (state.phase() != v1::PHASE_CLOSED) context_.loss_ceilings->Tell(*to, state);
  lane.state = state;
  lane.answered = true;
  if (state.phase() != v1::PHASE_CLOSED || leaving_) return;
  const double spread = 0.5 + context_.uniform();
  lane.reopen_at = context_.clock->NowNanos() + static_cast<int64_t>(spread * kReopenAfter);
}

// A class that the server refuses starves its guests until somebody acts.
void Attachment::LogPhase(const std::string& class_name, const v1::ChannelState& state) {
  const std::string& phase = v1::Phase_Name(state.phase());
  const bool closed = state.phase() == v1::PHASE_CLOSED;
  if (closed && leaving_) return;  // the answer to our own Close
  if (!closed) {
    context_.log->Info("class.phase", {{"class", class_name},
                                       {"server", server_},
                                       {"phase", phase},
                                       {"code", state.code()},
                                       {"reason", state.reason()}});
    return;
  }
  context_.log->Warning("class.phase", {{"class", class_name},
                                        {"server", server_},
                                        {"phase", phase},
                                        {"code", state.code()},
                                        {"reason", state.reason()},
                                        {"remedy", ClosedRemedy(state.code())}});
}

std::string Attachment::remedy(const Class& of) const {
  const v1::ChannelState& said = state(of);
  return said.phase() == v1::PHASE_CLOSED ? std::string(ClosedRemedy(said.code())) : "";
}

void Attachment::Refuse(absl::Status why) {
  Counter* counter = context_.refused_malformed;
  if (absl::IsDataLoss(why)) counter = context_.refused_gap;
  if (absl::IsOutOfRange(why)) counter = context_.refused_excess;
  counter->Increment();
  context_.log->Error("upstream.message.refused", {{"server", server_}, {"reason", why}});
  GiveUp(std::move(why));
}

void Attachment::GiveUp(absl::Status why) {
  given_up_ = std::move(why);
  stream_->Cancel();
}

int64_t Attachment::patience() const {
  const int64_t promised = ledger_.welcome().heartbeat_ms() * kMillisecondNanos;
  return promised == 0 ? kNever : std::max(kSilencePatienceNanos, promised + kLatenessNanos);
}

void Attachment::NoteSilence(int64_t now) {
  const int64_t may_last = patience();
  if (may_last == kNever || now < heard_at_ + may_last) {
    silent_since_ = kNever;
    return;
  }
  const int64_t silent_at = heard_at_ + may_last;
  if (silent_since_ == kNever && now >= silent_at + kSecondNanos) {
    // This process did not run in time, and what came meanwhile may not have been read yet.
    heard_at_ = now;
    return;
  }
  silent_since_ = silent_at;
  if (now < silent_at + kGiveUpNanos || !given_up_.ok()) return;
  GiveUp(absl::UnavailableError(
      absl::StrCat("attach to ", server_, ": the server promised heartbeats and said nothing for ",
                   (now - heard_at_) / kSecondNanos, " s")));
}

absl::optional<absl::Status> Attachment::ended() const {
  const absl::optional<absl::Status> finished = stream_->finished();
  if (!finished.has_value()) return absl::nullopt;
  if (!given_up_.ok()) return given_up_;
  return absl::Status(finished->code(), Said(finished->message()));
}

const Attachment::Lane& Attachment::LaneOf(const Class& of) const {
  return *absl::c_find_if(lanes_, [&of](const Lane& lane) { return lane.of == &of; });
}

Attachment::Lane* Attachment::LaneWith(uint32_t channel) {
  for (Lane& lane : lanes_) {
    if (lane.channel == channel) return &lane;
  }
  return nullptr;
}

bool Attachment::HoldsRoom(const Lane& lane) const {
  const AttachLedger::Channel* channel = ledger_.Find(lane.channel);
  return channel != nullptr && !channel->closed;
}

bool Attachment::HoldsAnyRoom() const {
  return absl::c_any_of(lanes_, [this](const Lane& lane) { return HoldsRoom(lane); });
}

// Only one Credit is on its way at a time. While it waits, more wants come together, and the next
// Credit carries the newest numbers. The stream wakes us when the Credit has left.
bool Attachment::CanSend() const {
  return welcomed() && given_up_.ok() && !leaving_ && stream_->unsent() == 0;
}

bool Attachment::RaiseLimit(const Lane& lane) {
  if (!lane.may_credit || !lane.answered || !HoldsRoom(lane)) return false;
  const uint64_t promised = ledger_.Find(lane.channel)->promised();
  lane.of->buffer->Tick();
  const uint64_t more = lane.of->buffer->WantMore(promised);
  return more > 0 && ledger_.Promise(lane.channel, promised + more);
}

bool Attachment::OwesAck(const Lane& lane) const {
  const AttachLedger::Channel* channel = ledger_.Find(lane.channel);
  if (!lane.answered || channel == nullptr) return false;
  // Also of a channel that is closed: else the server counts as lost what came before.
  if (channel->received != channel->acked) return true;
  const ClassBuffer::Demand& of = lane.of->buffer->demand();
  return !channel->closed &&
         (lane.guests_told != of.guests || lane.waiting_told != of.waiting_guests);
}

void Attachment::SendDue() {
  const int64_t now = context_.clock->NowNanos();
  Reopen(now);
  if (leaving_ && !half_closed_ && !HoldsAnyRoom()) {
    half_closed_ = true;
    SendLines();  // of what came after our Close
    stream_->HalfClose();
  }
  if (!CanSend()) return;
  bool raised = false;
  for (const Lane& lane : lanes_) raised |= RaiseLimit(lane);
  SendLinesIfDue(raised);
  if (now < heartbeat_at()) return;
  v1::AgentMessage heartbeat;
  heartbeat.mutable_credit();
  Send(heartbeat);
}

void Attachment::SendDue(const Class& of) {
  if (CanSend()) SendLinesIfDue(RaiseLimit(*LaneOf(of)));
}

void Attachment::SendLinesIfDue(bool raised) {
  if (raised || context_.clock->NowNanos() >= next_ack_at_) SendLines();
}

void Attachment::Send(const v1::AgentMessage& message) {
  sent_at_ = context_.clock->NowNanos();
  stream_->Send(message);
}

int64_t Attachment::heartbeat_at() const {
  return ledger_.welcome().heartbeat_ms() == 0 ? kNever : sent_at_ + kAgentHeartbeatNanos;
}

// Sends all that the server does not know yet, in one message. One buffer has a reason to send, and
// the others' numbers go along.
void Attachment::SendLines() {
  // What the ledger has counted of a message that was refused, nobody has stored.
  if (!given_up_.ok()) return;
  v1::AgentMessage message;
  for (Lane& lane : lanes_) {
    const AttachLedger::Channel* channel = ledger_.Find(lane.channel);
    const bool credits = HoldsRoom(lane) && channel->limit != channel->limit_told;
    if (!credits && !OwesAck(lane)) continue;
    lane.guests_told = lane.of->buffer->demand().guests;
    lane.waiting_told = lane.of->buffer->demand().waiting_guests;
    v1::Line* const line = message.mutable_credit()->add_line();
    *line = ledger_.TakeLine(lane.channel, lane.guests_told);
    line->set_waiting_guests(lane.waiting_told);
  }
  if (!message.has_credit()) return;
  context_.credit_lines->Increment(message.credit().line_size());
  next_ack_at_ = context_.clock->NowNanos() + kAckInterval;
  Send(message);
}

void Attachment::Reopen(int64_t now) {
  if (leaving_ || drain_.has_value() || !given_up_.ok()) return;
  for (Lane& lane : lanes_) {
    if (now < lane.reopen_at) continue;
    if (OwesAck(lane)) SendLines();  // the lane forgets its old channel
    OpenLane(&lane);
  }
}

void Attachment::Leave() {
  if (leaving_) return;
  leaving_ = true;
  SendLines();  // what is acknowledged is not counted as lost
  for (Lane& lane : lanes_) {
    lane.reopen_at = INT64_MAX;
    if (!HoldsRoom(lane)) continue;
    v1::AgentMessage message;
    message.mutable_close()->set_channel(lane.channel);
    Send(message);
  }
}

int64_t Attachment::next_deadline_nanos() const {
  int64_t next = INT64_MAX;
  if (leaving_ || !given_up_.ok()) return next;
  if (silent_since_ != kNever) {
    next = silent_since_ + kGiveUpNanos;
  } else if (patience() != kNever) {
    next = heard_at_ + patience();
  }
  if (CanSend()) next = std::min(next, heartbeat_at());
  for (const Lane& lane : lanes_) {
    if (!drain_.has_value()) next = std::min(next, lane.reopen_at);
    if (OwesAck(lane) && CanSend()) next = std::min(next, next_ack_at_);
  }
  return next;
}

}  // namespace entropyd
