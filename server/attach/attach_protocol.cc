#include "server/attach/attach_protocol.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace entropyd {
namespace {

// A spread that differs from session to session. The bits are well mixed and no secret
// (splitmix64's finisher).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

SessionEnd Because(SessionEnd::Cause cause) { return {.cause = cause}; }

}  // namespace

AttachProtocol::AttachProtocol(const Options& options, ClassAccess* access, IdentityShares* shares,
                               Dispatcher* dispatcher, Log* log)
    : options_(options),
      max_credit_(options.limits.max_credit),
      max_payload_(options.limits.max_payload),
      max_agents_(options.max_agents),
      access_(access),
      shares_(shares),
      dispatcher_(dispatcher),
      log_(log) {
  dispatcher_->Add(this);
}

std::unique_ptr<Session> AttachProtocol::NewSession(Session::Peer peer) {
  const Session::Limits limits = {.max_credit = max_credit_, .max_payload = max_payload_};
  return std::make_unique<Session>(std::move(peer), limits, dispatcher_->budgets(), &deliveries_,
                                   this);
}

void AttachProtocol::SetLimits(const Session::Limits& limits, uint32_t max_agents) {
  max_credit_ = limits.max_credit;
  max_payload_ = limits.max_payload;
  max_agents_ = max_agents;
}

uint32_t AttachProtocol::Drain(absl::string_view identity, absl::string_view reason,
                               int64_t now_nanos, int64_t deadline_nanos) {
  if (identity.empty()) draining_ = true;
  uint32_t sessions = 0;
  for (const auto& session : registry_.sessions()) {
    if (session->ended() || (!identity.empty() && session->peer().identity != identity)) continue;
    session->BeginDrain(reason, now_nanos, deadline_nanos);
    ++sessions;
  }
  dispatcher_->SweepBy(deadline_nanos);
  return sessions;
}

absl::Status AttachProtocol::Admission(const Session& session) const {
  const PeerCertificate* const certificate = session.peer().certificate.get();
  if (certificate == nullptr || options_.admission == nullptr) return absl::OkStatus();
  return options_.admission(*certificate);
}

bool AttachProtocol::RecheckSome(int64_t now_nanos) {
  unchecked_ = std::min(unchecked_, registry_.sessions().size());
  for (size_t i = 0; i < kRechecksPerTurn && unchecked_ > 0; ++i) {
    RecheckSession(registry_.sessions()[--unchecked_].get(), now_nanos);
  }
  return unchecked_ > 0;
}

void AttachProtocol::RecheckSession(Session* session, int64_t now_nanos) {
  if (session->ended()) return;
  absl::Status admission = Admission(*session);
  if (admission.ok()) {
    RecheckChannels(session);
    return;
  }
  ++totals_.shut_out;
  EndSession(session, {.cause = SessionEnd::Cause::kShutOut, .refused = std::move(admission)},
             now_nanos);
  if (session->outbox()->outstanding()) {
    dispatcher_->SweepBy(session->outbox()->end_deadline_nanos());
  }
}

void AttachProtocol::RecheckChannels(Session* session) {
  for (const auto& channel : session->channels()) {
    if (channel->phase() == Channel::Phase::kClosed) continue;
    ClassAccess::Answer answer = access_->Ask(session->peer().identity, Call::kAttach,
                                              channel->name(), v1::QUALITY_UNSPECIFIED);
    if (answer.leaf == nullptr) {
      channel->Expel(std::move(answer.refusal));
    } else {
      channel->SetMaxWeight(answer.max_weight);
    }
  }
}

// Events --------------------------------------------------------------------------------------

void AttachProtocol::OnSession(Session* session, uint32_t events, int64_t now_nanos) {
  if (events & Session::kStart) StartSession(session, now_nanos);
  if (events & (Session::kWritten | Session::kWriteFailed)) {
    OnWriteEnd(session, (events & Session::kWriteFailed) == 0, now_nanos);
  }
  if (events & Session::kRead) OnMessage(session, now_nanos);
  if (events & Session::kCancelled) {
    EndSession(session, Because(SessionEnd::Cause::kPeerGone), now_nanos);
  }
  if (events & Session::kReadEnd) {
    EndSession(session, Because(SessionEnd::Cause::kPeerDone), now_nanos);
  }
  FinishIfDue(session);
  if (events & Session::kDead) {
    EndSession(session, Because(SessionEnd::Cause::kPeerGone), now_nanos);
    if (session->outbox()->outstanding()) session->outbox()->WriteEnded(now_nanos);
    flush_.erase(std::remove(flush_.begin(), flush_.end(), session), flush_.end());
    held_.erase(std::remove(held_.begin(), held_.end(), session), held_.end());
    registry_.Remove(session);
  }
}

void AttachProtocol::StartSession(Session* session, int64_t now_nanos) {
  registry_.Add(std::unique_ptr<Session>(session));
  session->Start(now_nanos, RotationTime(*session, now_nanos));
  SessionEnd refused = Admit(session, now_nanos);
  if (refused.cause != SessionEnd::Cause::kNone) {
    EndSession(session, std::move(refused), now_nanos);
    return;
  }
  session->transport()->StartRead();
}

int64_t AttachProtocol::RotationTime(const Session& session, int64_t now_nanos) const {
  const uint64_t number = Mix(options_.jitter_seed + next_session_id_ + totals_.attached);
  const int64_t lasts = kRotateNanos - kRotateSpreadNanos +
                        static_cast<int64_t>(number % (2 * uint64_t{kRotateSpreadNanos}));
  const PeerCertificate* const certificate = session.peer().certificate.get();
  if (certificate == nullptr || options_.lifetime_nanos == nullptr) return now_nanos + lasts;
  const int64_t lifetime = options_.lifetime_nanos(*certificate);
  if (lifetime < 2 * kBeforeExpiryNanos) return now_nanos + lasts;
  // Certificates of many peers may end together.
  const int64_t latest = lifetime - kBeforeExpiryNanos;
  const uint64_t spread = static_cast<uint64_t>(std::min(kRotateSpreadNanos, latest / 2));
  return now_nanos + std::min(lasts, latest - static_cast<int64_t>(number % spread));
}

SessionEnd AttachProtocol::Admit(Session* session, int64_t now_nanos) {
  if (draining_) return Because(SessionEnd::Cause::kServerDrains);
  // The rules may have changed since the gate let it in.
  absl::Status admission = Admission(*session);
  if (!admission.ok()) {
    return {.cause = SessionEnd::Cause::kShutOut, .refused = std::move(admission)};
  }
  IdentityShares::Answer answer = shares_->TakeStream(session->peer().identity, now_nanos);
  if (!answer.place) {
    return {.cause = SessionEnd::Cause::kIdentityShare, .share = answer.refusal};
  }
  // Streams that were denied and are not gone yet do not count.
  if (shares_->held().streams > max_agents_) {
    ++totals_.denied_capacity;
    return {.cause = SessionEnd::Cause::kTooManyAgents, .limit = max_agents_};
  }
  session->Hold(std::move(answer.place));
  return {};
}

void AttachProtocol::ReadNext(Session* session, int64_t now_nanos) {
  // Also while the read is held: then it is not the peer that is silent.
  session->inbox()->Heard(now_nanos);
  if (session->place().TakeMessage(now_nanos)) {
    session->transport()->StartRead();
    return;
  }
  shares_->CountHeldRead();
  held_.push_back(session);
}

void AttachProtocol::OnWriteEnd(Session* session, bool ok, int64_t now_nanos) {
  if (!ok) EndSession(session, Because(SessionEnd::Cause::kPeerGone), now_nanos);
  session->outbox()->WriteEnded(now_nanos);
}

void AttachProtocol::OnMessage(Session* session, int64_t now_nanos) {
  if (session->ended()) return;
  const bool greeted = session->phase() != Session::Phase::kNew;
  const absl::StatusOr<const v1::AgentMessage*> message = session->inbox()->Look(greeted);
  const absl::Status status =
      message.ok() ? Handle(session, **message, now_nanos) : message.status();
  session->inbox()->Empty();
  if (!status.ok()) {
    EndSession(session, {.cause = SessionEnd::Cause::kViolation, .refused = status}, now_nanos);
  }
  if (!session->ended()) ReadNext(session, now_nanos);
}

absl::Status AttachProtocol::Handle(Session* session, const v1::AgentMessage& message,
                                    int64_t now_nanos) {
  switch (message.body_case()) {
    case v1::AgentMessage::kHello:
      return HandleHello(session, message.hello(), now_nanos);
    case v1::AgentMessage::kOpen:
      return HandleOpen(session, message.open());
    case v1::AgentMessage::kCredit:
      return HandleCredit(session, message.credit(), now_nanos);
    case v1::AgentMessage::kClose:
      return session->Close(message.close());
    case v1::AgentMessage::BODY_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("refuse AgentMessage: unknown body");
}

absl::Status AttachProtocol::HandleHello(Session* session, const v1::Hello& hello,
                                         int64_t now_nanos) {
  absl::Status status = session->Hello(hello, next_session_id_);
  if (!status.ok()) return status;
  const SessionRegistry::Answer answer = registry_.Register(session, now_nanos);
  if (answer.cloned) {
    ++totals_.denied_clone;
    EndSession(
        session,
        {.cause = SessionEnd::Cause::kClonedHost, .limit = SessionRegistry::kMaxReplacements},
        now_nanos);
    return absl::OkStatus();
  }
  ++next_session_id_;
  ++totals_.attached;
  if (answer.replaced != nullptr) {
    ++totals_.replacements;
    EndSession(answer.replaced, Because(SessionEnd::Cause::kReplaced), now_nanos);
  }
  const uint64_t count =
      session->place().AskLine(IdentityShares::StreamEvent::kAttached, now_nanos);
  if (count > 0) {
    log_->Info("agent.attached", {{"identity", session->peer().identity},
                                  {"peer", session->peer().address},
                                  {"session", session->id()},
                                  {"host_id", absl::BytesToHexString(session->host_id())},
                                  {"count", count}});
  }
  return absl::OkStatus();
}

absl::Status AttachProtocol::HandleOpen(Session* session, const v1::Open& open) {
  const absl::StatusOr<Channel*> channel = session->Open(open);
  if (!channel.ok()) return channel.status();
  if ((*channel)->phase() == Channel::Phase::kClosed) return absl::OkStatus();  // refused
  ClassAccess::Answer answer =
      access_->Ask(session->peer().identity, Call::kAttach, (*channel)->name(), open.min_quality());
  if (answer.leaf == nullptr) {
    (*channel)->Refuse(std::move(answer.refusal));
  } else {
    (*channel)->Join(answer.leaf, answer.max_weight);
  }
  return absl::OkStatus();
}

absl::Status AttachProtocol::HandleCredit(Session* session, const v1::Credit& credit,
                                          int64_t now_nanos) {
  if (credit.line_size() > static_cast<int>(kMaxChannels)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "refuse credit: ", credit.line_size(), " lines for at most ", kMaxChannels, " channels"));
  }
  for (const v1::Line& line : credit.line()) {
    const absl::StatusOr<Channel*> credited = session->Credit(line);
    if (!credited.ok()) return credited.status();
    Channel* const channel = *credited;
    if (channel == nullptr) continue;
    channel->Reweigh();
    channel->Want(channel->want(), now_nanos);
  }
  return absl::OkStatus();
}

void AttachProtocol::TellDenied(const Session& session, absl::string_view reason,
                                int64_t now_nanos) {
  const LineCount count = lines_.Ask(absl::StrCat(session.peer().identity, " ", reason), now_nanos);
  if (count == 0) return;
  log_->Warning("agent.denied", {{"identity", session.peer().identity},
                                 {"peer", session.peer().address},
                                 {"reason", reason},
                                 {count.key(), count.events}});
}

// The transport is finished when the session's write has ended.
void AttachProtocol::EndSession(Session* session, SessionEnd end, int64_t now_nanos) {
  if (session->ended()) return;
  session->End(std::move(end), now_nanos);
  registry_.Unregister(session);
  const absl::string_view denial = DenialName(session->end().cause);
  if (!denial.empty()) TellDenied(*session, denial, now_nanos);
  const absl::Status status = ToStatus(session->end(), session->peer().identity);
  const uint64_t lost = session->deliveries().unconfirmed();
  totals_.lost_bytes += lost;
  if (absl::IsInvalidArgument(status) || absl::IsOutOfRange(status)) {
    ++totals_.violations;
    TellViolation(*session, status, now_nanos);
  }
  // A clone has said Hello, but was never attached.
  if (session->id() != 0 && session->end().cause != SessionEnd::Cause::kClonedHost) {
    TellDetached(*session, status, lost, now_nanos);
  }
  FinishIfDue(session);
}

void AttachProtocol::TellViolation(const Session& session, const absl::Status& error,
                                   int64_t now_nanos) {
  const LineCount count =
      lines_.Ask(absl::StrCat(session.peer().identity, " violation"), now_nanos);
  if (count == 0) return;
  log_->Warning("agent.violation", {{"identity", session.peer().identity},
                                    {"peer", session.peer().address},
                                    {"error", error},
                                    {count.key(), count.events}});
}

void AttachProtocol::TellDetached(const Session& session, const absl::Status& status, uint64_t lost,
                                  int64_t now_nanos) {
  const uint64_t count = session.place().AskLine(IdentityShares::StreamEvent::kDetached, now_nanos);
  if (count == 0) return;
  log_->Info("agent.detached", {{"identity", session.peer().identity},
                                {"session", session.id()},
                                {"status", status},
                                {"sent_bytes", session.deliveries().sent()},
                                {"lost_bytes", lost},
                                {"count", count}});
}

void AttachProtocol::FinishIfDue(Session* session) {
  if (session->outbox()->TakeFinish())
    session->transport()->Finish(ToStatus(session->end(), session->peer().identity));
}

// Deadlines -----------------------------------------------------------------------------------

int64_t AttachProtocol::Sweep(int64_t now_nanos) {
  int64_t next = kNever;
  std::vector<Session*> held;
  held.swap(held_);
  for (Session* session : held) {
    if (!session->ended()) ReadNext(session, now_nanos);
  }
  shares_->Sweep(now_nanos);
  const bool was_stopped = swept_nanos_ != kNever && now_nanos - swept_nanos_ >= kStoppedNanos;
  swept_nanos_ = now_nanos;
  heartbeats_left_ = kHeartbeatsPerSweep;
  for (const auto& session : registry_.sessions()) {
    if (was_stopped) session->inbox()->Heard(now_nanos);
    SweepSession(session.get(), now_nanos);
    if (!session->ended()) next = std::min(next, session->stay().deadline_nanos());
  }
  if (heartbeats_left_ == 0) next = std::min(next, now_nanos + kMoreHeartbeatsNanos);
  return next;
}

void AttachProtocol::SweepSession(Session* session, int64_t now_nanos) {
  if (session->outbox()->Stuck(now_nanos)) {
    if (!session->ended()) ++totals_.stuck_writes;
    EndSession(session, Because(SessionEnd::Cause::kStuckWrite), now_nanos);
    session->transport()->Cancel();
    return;
  }
  SessionEnd expired = session->Expired(now_nanos);
  if (expired.cause != SessionEnd::Cause::kNone) {
    if (expired.cause == SessionEnd::Cause::kSilent) ++totals_.silent_agents;
    EndSession(session, std::move(expired), now_nanos);
  } else if (session->phase() == Session::Phase::kReady && session->stay().MoveDue(now_nanos)) {
    session->BeginDrain("rebalance", now_nanos, now_nanos + kDrainNanos);
  } else {
    SweepHeartbeat(session, now_nanos);
  }
}

void AttachProtocol::SweepHeartbeat(Session* session, int64_t now_nanos) {
  // Before Hello the peer is sent nothing.
  if (heartbeats_left_ == 0 || session->phase() == Session::Phase::kNew) return;
  if (!session->outbox()->HeartbeatDue(now_nanos)) return;
  --heartbeats_left_;
  session->outbox()->Tell(Outbox::kHeartbeat);
}

// Messages ------------------------------------------------------------------------------------

void AttachProtocol::Flush(int64_t now_nanos) {
  for (size_t i = 0; i < flush_.size(); ++i) FlushSession(flush_[i], now_nanos);
  flush_.clear();
}

void AttachProtocol::FlushSession(Session* session, int64_t now_nanos) {
  if (!session->outbox()->StartMessage()) return;
  const v1::ServerMessage head = session->TakeHead(now_nanos);
  parts_.clear();
  for (const auto& channel : session->channels()) {
    // Its state comes first. One that has no room now goes with the next message, and so do the
    // bytes.
    if (channel->planned() == 0 || channel->state_due()) continue;
    const PoolSlot& slot = *channel->leaf()->slot;
    parts_.push_back({slot.writer_index,
                      slot.state.discard_epoch,
                      {channel->number(), channel->credit().sent(), 0, channel->planned()},
                      absl::OkStatus()});
  }
  std::stable_sort(parts_.begin(), parts_.end(),
                   [](const Writer::Part& a, const Writer::Part& b) { return a.pool < b.pool; });
  MessageBuffer message = dispatcher_->writer()->Build(head, absl::MakeSpan(parts_));
  SettleParts(session, now_nanos);
  if (!session->outbox()->Seal(now_nanos)) return;
  ++totals_.messages;
  dispatcher_->Send(session->transport(), std::move(message));
}

// Counts what the message holds as sent and gives back what a pool refused.
void AttachProtocol::SettleParts(Session* session, int64_t now_nanos) {
  for (const Writer::Part& part : parts_) {
    Channel* const channel = session->Find(part.grant.channel);
    if (part.status.ok()) {
      channel->Drawn();
      continue;
    }
    PoolSlot* const slot = channel->leaf()->slot;
    channel->DrawFailed(now_nanos);
    dispatcher_->OnRefusal(slot, part.status);
  }
}

}  // namespace entropyd
