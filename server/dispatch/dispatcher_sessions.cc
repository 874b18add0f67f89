// The dispatcher's half that peers talk to: streams and gets from their first event to their last.
#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/dispatch/dispatcher.h"

namespace entropyd {
namespace {

// A spread that differs from session to session; good bits, no secret (splitmix64's finisher).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Names come from peers: what a log line repeats of them is bounded.
absl::string_view ForLog(absl::string_view name) { return name.substr(0, 128); }

}  // namespace

absl::Status Dispatcher::Allowed(absl::string_view identity, Access access,
                                 absl::string_view pool_class) {
  absl::Status allowed = options_.allow(identity, access, pool_class);
  if (!allowed.ok()) {
    ++totals_.denied_class;
    log_->Warning("agent.denied", {{"identity", identity},
                                   {"class", ForLog(pool_class)},
                                   {"call", access == Access::kAttach ? "Attach" : "Get"},
                                   {"reason", "class"}});
  }
  return allowed;
}

// Sessions ------------------------------------------------------------------------------------

void Dispatcher::OnSession(Session* session, uint32_t events, int64_t now_nanos) {
  if (events & Session::kStart) StartSession(session, now_nanos);
  if (events & (Session::kWritten | Session::kWriteFailed)) {
    OnWriteEnd(session, (events & Session::kWriteFailed) == 0, now_nanos);
  }
  if (events & Session::kRead) OnMessage(session, now_nanos);
  if (events & Session::kCancelled) {
    EndSession(session, absl::CancelledError("the peer is gone"), now_nanos);
  }
  if (events & Session::kReadEnd) {
    session->reading = false;
    EndSession(session, absl::OkStatus(), now_nanos);  // half-closed: it wants no more
  }
  FinishIfDue(session);
  if (events & Session::kDead) {
    EndSession(session, absl::CancelledError("the stream is gone"), now_nanos);
    if (session->write_outstanding()) OnWriteEnd(session, false, now_nanos);
    flush_.erase(std::remove(flush_.begin(), flush_.end(), session), flush_.end());
    registry_.Remove(session);
  }
}

void Dispatcher::StartSession(Session* session, int64_t now_nanos) {
  registry_.Add(std::unique_ptr<Session>(session));
  session->SetStarted(now_nanos);
  const uint64_t spread = 2 * static_cast<uint64_t>(kRotateSpreadNanos);
  session->rotate_nanos =
      now_nanos + kRotateNanos - kRotateSpreadNanos +
      static_cast<int64_t>(Mix(options_.jitter_seed + next_session_id_ + totals_.attached) %
                           spread);
  if (draining_) {
    EndSession(session, absl::UnavailableError("attach: the server drains; attach elsewhere"),
               now_nanos);
    return;
  }
  if (registry_.sessions().size() > options_.max_agents) {
    ++totals_.denied_capacity;
    log_->Warning("agent.denied", {{"identity", session->peer().identity},
                                   {"peer", session->peer().address},
                                   {"reason", "max_agents"}});
    EndSession(session,
               absl::ResourceExhaustedError(absl::StrCat("attach: ", options_.max_agents,
                                                         " agents are attached (max_agents)")),
               now_nanos);
    return;
  }
  session->reading = true;
  session->transport()->StartRead();
}

void Dispatcher::OnWriteEnd(Session* session, bool ok, int64_t now_nanos) {
  totals_.in_flight_bytes -= session->WriteEnded();
  if (!ok) EndSession(session, absl::CancelledError("the peer is gone"), now_nanos);
  if (!session->ended()) {
    Unpark(session, now_nanos);
    if (session->HasNews() || session->planned() > 0) ListForFlush(session);
  }
  if (!capped_.empty()) UnparkCapped(now_nanos);
}

void Dispatcher::OnMessage(Session* session, int64_t now_nanos) {
  session->reading = false;
  if (session->ended()) return;
  absl::Status status = session->inbox_status;
  if (status.ok()) status = session->CheckOrder(session->inbox);
  if (status.ok()) status = Handle(session, session->inbox, now_nanos);
  session->inbox.Clear();
  if (!status.ok()) {
    EndSession(session, status, now_nanos);
    return;
  }
  session->reading = true;
  session->transport()->StartRead();
}

absl::Status Dispatcher::Handle(Session* session, const v1::AgentMessage& message,
                                int64_t now_nanos) {
  switch (message.body_case()) {
    case v1::AgentMessage::kHello:
      return HandleHello(session, message.hello(), now_nanos);
    case v1::AgentMessage::kOpen:
      return HandleOpen(session, message.open());
    case v1::AgentMessage::kCredit:
      return HandleCredit(session, message.credit(), now_nanos);
    case v1::AgentMessage::kClose:
      return HandleClose(session, message.close());
    case v1::AgentMessage::BODY_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("refuse AgentMessage: unknown body");
}

absl::Status Dispatcher::HandleHello(Session* session, const v1::Hello& hello, int64_t now_nanos) {
  absl::Status status = session->Hello(hello, next_session_id_);
  if (!status.ok()) return status;
  const absl::StatusOr<Session*> older = registry_.Register(session, now_nanos);
  if (!older.ok()) {
    ++totals_.denied_clone;
    log_->Warning("agent.denied", {{"identity", session->peer().identity},
                                   {"peer", session->peer().address},
                                   {"reason", "cloned_host"}});
    return older.status();
  }
  ++next_session_id_;
  ++totals_.attached;
  if (*older != nullptr) {
    ++totals_.supersessions;
    EndSession(*older, absl::AbortedError("superseded: the host has attached again"), now_nanos);
  }
  log_->Info("agent.attached", {{"identity", session->peer().identity},
                                {"peer", session->peer().address},
                                {"session", session->id()},
                                {"host_id", absl::BytesToHexString(session->host_id())}});
  ListForFlush(session);
  return absl::OkStatus();
}

absl::Status Dispatcher::HandleOpen(Session* session, const v1::Open& open) {
  const absl::StatusOr<Channel*> channel = session->Open(open);
  if (!channel.ok()) return channel.status();
  ListForFlush(session);
  const absl::Status joined = JoinChannel(*channel, open.min_quality());
  if (!joined.ok()) session->CloseChannel(*channel, joined.code(), joined.message());
  return absl::OkStatus();
}

absl::Status Dispatcher::JoinChannel(Channel* channel, v1::Quality min_quality) {
  absl::Status allowed = Allowed(channel->session->peer().identity, Access::kAttach, channel->name);
  if (!allowed.ok()) return allowed;
  Leaf* const leaf = classes_.FindLeaf(channel->name);
  if (leaf == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("open ", channel->name, ": the server has no such class"));
  }
  absl::Status quality = ClassTable::CheckQuality(*leaf, min_quality);
  if (!quality.ok()) return quality;
  classes_.Join(channel, leaf);
  channel->phase = leaf->slot->state.ready() ? v1::PHASE_OPEN : v1::PHASE_SUSPENDED;
  return absl::OkStatus();
}

absl::Status Dispatcher::HandleCredit(Session* session, const v1::Credit& credit,
                                      int64_t now_nanos) {
  if (credit.line_size() > static_cast<int>(Session::kMaxChannel)) {
    return absl::InvalidArgumentError(absl::StrCat("refuse credit: ", credit.line_size(),
                                                   " lines for at most ", Session::kMaxChannel,
                                                   " channels"));
  }
  for (const v1::Line& line : credit.line()) {
    const uint64_t unconfirmed = session->unconfirmed_bytes();
    const absl::StatusOr<Channel*> credited = session->Credit(line);
    if (!credited.ok()) return credited.status();
    totals_.received_bytes += unconfirmed - session->unconfirmed_bytes();
    Channel* const channel = *credited;
    if (channel == nullptr) continue;
    classes_.Reweigh(*channel);
    channel->leaf->slot->tree->Want(channel->member, channel->want(), now_nanos);
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::HandleClose(Session* session, const v1::Close& close) {
  const absl::StatusOr<Channel*> channel = session->Close(close);
  if (!channel.ok()) return channel.status();
  if (*channel == nullptr) return absl::OkStatus();
  const uint32_t planned = session->Unplan(*channel);
  totals_.planned_bytes -= planned;
  totals_.forfeited_bytes += planned;
  classes_.Leave(*channel);
  session->CloseChannel(*channel, absl::StatusCode::kOk, "");
  ListForFlush(session);
  return absl::OkStatus();
}

// Takes the session out of everything; its transport is finished when its write has ended.
void Dispatcher::EndSession(Session* session, const absl::Status& status, int64_t now_nanos) {
  if (session->ended()) return;
  session->End(status, now_nanos);
  for (const auto& channel : session->channels()) {
    totals_.planned_bytes -= channel->planned;
    totals_.forfeited_bytes += std::exchange(channel->planned, 0);
    classes_.Leave(channel.get());
  }
  session->ClearPlan();
  if (session->capped) {
    session->capped = false;
    capped_.erase(std::find(capped_.begin(), capped_.end(), session));
  }
  registry_.Unregister(session);
  const uint64_t lost = session->unconfirmed_bytes();
  totals_.lost_bytes += lost;
  if (absl::IsInvalidArgument(status) || absl::IsOutOfRange(status)) {
    ++totals_.violations;
    log_->Warning("agent.violation", {{"identity", session->peer().identity},
                                      {"peer", session->peer().address},
                                      {"error", status}});
  }
  if (session->id() != 0) {
    log_->Info("agent.detached", {{"identity", session->peer().identity},
                                  {"session", session->id()},
                                  {"status", status},
                                  {"sent_bytes", session->sent_bytes()},
                                  {"lost_bytes", lost}});
  }
  FinishIfDue(session);
}

void Dispatcher::FinishIfDue(Session* session) {
  if (!session->finish_due()) return;
  session->Finished();
  session->transport()->Finish(session->end_status());
}

// Gets ---------------------------------------------------------------------------------------

void Dispatcher::OnGet(PendingGet* get, uint32_t events, int64_t now_nanos) {
  if (events & PendingGet::kStart) {
    get->index = gets_.size();
    gets_.emplace_back(get);
    ++draws_by_identity_[get->request.identity];
    const absl::Status status = StartGet(get, now_nanos);
    if (!status.ok()) EndGet(get, status);
  }
  if (events & PendingGet::kCancelled) EndGet(get, absl::CancelledError("the caller is gone"));
  if (events & PendingGet::kDead) {
    EndGet(get, absl::CancelledError("the call is gone"));
    const auto it = draws_by_identity_.find(get->request.identity);
    if (--it->second == 0) draws_by_identity_.erase(it);
    const size_t index = get->index;
    gets_.back()->index = index;
    std::swap(gets_[index], gets_.back());
    gets_.pop_back();
  }
}

absl::Status Dispatcher::StartGet(PendingGet* get, int64_t now_nanos) {
  const PendingGet::Request& request = get->request;
  if (draining_) return absl::UnavailableError("get: the server drains; ask another one");
  if (request.bytes < 1 || request.bytes > PendingGet::kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("get: bytes is ", request.bytes, ", must be 1..", PendingGet::kMaxBytes));
  }
  if (gets_.size() > options_.max_draws ||
      draws_by_identity_[request.identity] > options_.max_draws_per_identity) {
    ++totals_.denied_capacity;
    return absl::ResourceExhaustedError("get: too many draws wait; try again later");
  }
  absl::Status status = Allowed(request.identity, Access::kGet, request.name);
  if (!status.ok()) return status;
  Leaf* const leaf = classes_.FindLeaf(request.name);
  if (leaf == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("get from ", request.name, ": the server has no such class"));
  }
  status = ClassTable::CheckQuality(*leaf, request.min_quality);
  if (!status.ok()) return status;
  if (!leaf->slot->state.ready()) {
    return absl::UnavailableError(absl::StrCat(
        "get from ", request.name, ": the pool is suspended: ", leaf->slot->state.Text()));
  }
  get->deadline_nanos = now_nanos + kGetTimeoutNanos;
  classes_.Join(get, leaf);
  leaf->slot->tree->Want(get->member, request.bytes, now_nanos);
  return absl::OkStatus();
}

void Dispatcher::EndGet(PendingGet* get, const absl::Status& status) {
  if (get->done) return;
  get->done = true;
  totals_.planned_bytes -= get->filled + get->planned;
  totals_.forfeited_bytes += get->filled + get->planned;
  get->reply = MessageBuffer();  // wiped
  classes_.Leave(get);
  get->outlet->Finish(status);
}

}  // namespace entropyd
