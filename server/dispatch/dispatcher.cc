#include "server/dispatch/dispatcher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace entropyd {

Dispatcher::Dispatcher(Options options, std::vector<PoolSetup> pools, const Clock* clock, Log* log)
    : options_(std::move(options)), clock_(clock), log_(log), classes_(std::move(pools)) {
  for (const auto& slot : classes_.slots()) slot->writer_index = writer_.AddPool(slot->pool);
}

Dispatcher::~Dispatcher() = default;

Dispatcher::Progress Dispatcher::Step(int64_t now_nanos) {
  mailbox_.Absorb([this, now_nanos](MailNode* node, uint32_t events) {
    switch (node->kind()) {
      case MailNode::Kind::kSession:
        OnSession(static_cast<Session*>(node), events, now_nanos);
        break;
      case MailNode::Kind::kGet:
        OnGet(static_cast<PendingGet*>(node), events, now_nanos);
        break;
      case MailNode::Kind::kCommand: {
        const std::unique_ptr<Command> command(static_cast<Command*>(node));
        command->run(*this, now_nanos);
        break;
      }
      case MailNode::Kind::kTick:
        break;  // only asks for a step
    }
  });
  if (pools_changed_.exchange(false, std::memory_order_acq_rel)) RefreshPools(false);
  if (now_nanos >= next_sweep_nanos_) Sweep(now_nanos);
  DistributeAll(now_nanos);
  FlushAll(now_nanos);
  return NextWake(now_nanos);
}

void Dispatcher::TakeOutgoing(std::vector<Outgoing>* out) {
  for (Outgoing& outgoing : outgoing_) out->push_back(std::move(outgoing));
  outgoing_.clear();
}

void Dispatcher::RefreshPools(bool retry) {
  for (const ClassTable::Change& change : classes_.Refresh(retry)) {
    log_->Debug("pool.state", {{"pool", change.slot->pool->name()},
                               {"ready", change.slot->state.ready()},
                               {"degraded", change.slot->state.degraded()},
                               {"discard", change.discard},
                               {"reason", change.slot->state.Text()}});
    for (const auto& session : registry_.sessions()) {
      if (session->ended()) continue;
      for (const auto& channel : session->channels()) {
        if (channel->leaf == nullptr || channel->leaf->slot != change.slot) continue;
        channel->phase = change.slot->state.ready() ? v1::PHASE_OPEN : v1::PHASE_SUSPENDED;
        session->StateDue(channel.get(), change.discard);
        ListForFlush(session.get());
      }
    }
    if (change.slot->state.ready() && !change.discard) continue;
    for (const auto& get : gets_) {
      if (get->leaf != nullptr && get->leaf->slot == change.slot) {
        EndGet(get.get(), absl::UnavailableError(absl::StrCat(
                              "draw from ", get->leaf->name,
                              ": the pool has lost its sources: ", change.slot->state.Text())));
      }
    }
  }
}

void Dispatcher::Sweep(int64_t now_nanos) {
  next_sweep_nanos_ = now_nanos + kSweepNanos;
  for (const auto& session : registry_.sessions()) SweepSession(session.get(), now_nanos);
  for (const auto& get : gets_) {
    if (!get->done && now_nanos >= get->deadline_nanos) {
      EndGet(get.get(), absl::DeadlineExceededError(absl::StrCat(
                            "draw from ", get->request.name, ": the class could not give ",
                            get->request.bytes, " bytes within 30 s")));
    }
  }
  RefreshPools(true);
}

void Dispatcher::SweepSession(Session* session, int64_t now_nanos) {
  if (session->Stuck(now_nanos)) {
    if (!session->ended()) ++totals_.stuck_writes;
    EndSession(session,
               absl::DeadlineExceededError("the peer does not read: a write is outstanding"),
               now_nanos);
    session->transport()->Cancel();
    return;
  }
  const absl::Status expired = session->Expired(now_nanos);
  if (!expired.ok()) {
    EndSession(session, expired, now_nanos);
    return;
  }
  if (session->phase() == Session::Phase::kReady && now_nanos >= session->rotate_nanos) {
    session->BeginDrain("rebalance", now_nanos, now_nanos + kDrainNanos);
    ListForFlush(session);
  }
  if (session->drain_deadline_nanos() != 0 && !session->ended()) {
    next_sweep_nanos_ = std::min(next_sweep_nanos_, session->drain_deadline_nanos());
  }
}

uint32_t Dispatcher::Drain(absl::string_view identity, absl::string_view reason, int64_t now_nanos,
                           int64_t deadline_nanos) {
  if (identity.empty()) draining_ = true;
  uint32_t sessions = 0;
  for (const auto& session : registry_.sessions()) {
    if (session->ended() || (!identity.empty() && session->peer().identity != identity)) continue;
    session->BeginDrain(reason, now_nanos, deadline_nanos);
    ListForFlush(session.get());
    ++sessions;
  }
  next_sweep_nanos_ = std::min(next_sweep_nanos_, deadline_nanos);
  return sessions;
}

absl::Status Dispatcher::UpdateClasses(const ClassUpdate& update, int64_t now_nanos) {
  const absl::StatusOr<std::vector<const Leaf*>> changed = classes_.Update(update, now_nanos);
  if (!changed.ok()) return changed.status();
  for (const Leaf* leaf : *changed) {
    for (const auto& [identity, members] : leaf->members) {
      for (Demand* member : members) {
        if (member->session == nullptr) continue;  // a get has no state to hear of
        auto* const channel = static_cast<Channel*>(member);
        channel->session->StateDue(channel, false);
        ListForFlush(channel->session);
      }
    }
  }
  return absl::OkStatus();
}

void Dispatcher::DistributeAll(int64_t now_nanos) {
  const size_t pools = classes_.slots().size();
  for (size_t i = 0; i < pools; ++i) {
    Distribute(classes_.slots()[(first_slot_ + i) % pools].get(), now_nanos);
  }
  if (pools > 0) first_slot_ = (first_slot_ + 1) % pools;
}

void Dispatcher::Distribute(PoolSlot* slot, int64_t now_nanos) {
  slot->more = slot->hungry = false;
  if (!slot->state.ready() || slot->stopped) return;
  const int64_t started = clock_->NowNanos();
  uint64_t capacity = slot->pool->Available();
  for (uint32_t grants = 0; capacity > 0;) {
    const ClassTree::PassResult result = slot->tree->Distribute(
        now_nanos, {.capacity_bytes = capacity, .max_grants = kPassSliceGrants},
        [this](ClassTree::MemberId, void* cookie, uint32_t bytes) {
          return Offer(static_cast<Demand*>(cookie), bytes);
        });
    totals_.charged_bytes += result.bytes;
    if (capacity != ClassTree::kUnlimited) capacity -= result.bytes;
    grants += result.grants;
    slot->more = result.more && result.grants > 0 && capacity > 0;
    slot->hungry = result.more && capacity == 0;
    if (!slot->more || grants >= kMaxPassGrants || clock_->NowNanos() - started >= kMaxPassNanos) {
      return;
    }
  }
}

uint32_t Dispatcher::Offer(Demand* demand, uint32_t bytes) {
  const uint32_t taken = demand->session != nullptr
                             ? OfferSession(static_cast<Channel*>(demand), bytes)
                             : OfferGet(demand->get, bytes);
  demand->parked = taken == 0;
  totals_.planned_bytes += taken;
  return taken;
}

uint32_t Dispatcher::OfferSession(Channel* channel, uint32_t bytes) {
  Session* const session = channel->session;
  if (totals_.in_flight_bytes + totals_.planned_bytes >= options_.max_in_flight) {
    if (!session->write_outstanding() && !session->capped) {
      session->capped = true;
      capped_.push_back(session);
    }
    return 0;
  }
  // What a full pool stores is not for sessions that cannot take it now.
  const bool ahead = channel->leaf->slot->pool->quality() == v1::QUALITY_DRBG;
  const uint32_t taken = session->Plan(channel, bytes, ahead ? Session::kMaxAhead : 0);
  if (taken > 0) ListForFlush(session);
  return taken;
}

uint32_t Dispatcher::OfferGet(PendingGet* get, uint32_t bytes) {
  const uint32_t taken = std::min(bytes, get->request.bytes - get->filled - get->planned);
  if (get->planned == 0 && taken > 0) flush_gets_.push_back(get);
  get->planned += taken;
  return taken;
}

void Dispatcher::ListForFlush(Session* session) {
  if (session->flush_listed) return;
  session->flush_listed = true;
  flush_.push_back(session);
}

void Dispatcher::FlushAll(int64_t now_nanos) {
  for (size_t i = 0; i < flush_.size(); ++i) FlushSession(flush_[i], now_nanos);
  flush_.clear();
  for (PendingGet* get : flush_gets_) FlushGet(get);
  flush_gets_.clear();
}

void Dispatcher::FlushSession(Session* session, int64_t now_nanos) {
  session->flush_listed = false;
  if (session->write_outstanding() || session->ended()) return;  // the write that ends lists it
  if (session->planned() == 0 && !session->HasNews()) return;

  const bool news = session->HasNews();
  v1::ServerMessage head = session->NextHead(now_nanos);
  parts_.clear();
  for (const auto& channel : session->channels()) {
    if (channel->state_due) {
      ClassTable::Describe(*channel, head.add_state());
      session->StateTold(channel.get());
    }
    if (channel->planned == 0) continue;
    const PoolSlot& slot = *channel->leaf->slot;
    parts_.push_back({slot.writer_index,
                      slot.state.discard_epoch,
                      {channel->number, channel->sent, 0, channel->planned},
                      absl::OkStatus()});
  }
  std::stable_sort(parts_.begin(), parts_.end(),
                   [](const Writer::Part& a, const Writer::Part& b) { return a.pool < b.pool; });
  MessageBuffer message = writer_.Build(head, absl::MakeSpan(parts_));
  const uint32_t payload = SettleParts(session, parts_, now_nanos);
  if (payload == 0 && !news) {
    Unpark(session, now_nanos);
    return;
  }
  session->Sent(payload, now_nanos);
  ++totals_.messages;
  totals_.in_flight_bytes += payload;
  outgoing_.push_back({session->transport(), std::move(message)});
}

// Counts what the message holds as sent and what a pool refused as forfeited; clears the plan.
uint32_t Dispatcher::SettleParts(Session* session, absl::Span<const Writer::Part> parts,
                                 int64_t now_nanos) {
  uint32_t payload = 0;
  size_t next = 0;
  for (const auto& entry : session->channels()) {
    Channel* const channel = entry.get();
    if (channel->planned == 0) continue;
    const uint32_t bytes = std::exchange(channel->planned, 0);
    totals_.planned_bytes -= bytes;
    // Few parts, nearly always one, and in the channels' order within a pool.
    for (next = 0; parts[next].grant.channel != channel->number;) ++next;
    const absl::Status& status = parts[next].status;
    if (status.ok()) {
      channel->sent += bytes;
      totals_.sent_bytes += bytes;
      payload += bytes;
      continue;
    }
    totals_.forfeited_bytes += bytes;
    PoolSlot* const slot = channel->leaf->slot;
    slot->tree->Want(channel->member, channel->want(), now_nanos);
    StopSlot(slot, status);
  }
  session->ClearPlan();
  return payload;
}

void Dispatcher::StopSlot(PoolSlot* slot, const absl::Status& status) {
  if (slot->stopped) return;
  slot->stopped = true;
  log_->Warning("pool.refused", {{"pool", slot->pool->name()}, {"error", status}});
  PoolsChanged();  // its state is not what it was when the pass began
}

void Dispatcher::FlushGet(PendingGet* get) {
  const absl::Status filled = FillGet(get);
  if (!filled.ok()) {
    StopSlot(get->leaf->slot, filled);
    EndGet(get, filled);
    return;
  }
  if (get->filled < get->request.bytes) return;
  totals_.planned_bytes -= get->filled;
  totals_.drawn_bytes += get->filled;
  const Pool& pool = *get->leaf->slot->pool;
  const int64_t age_nanos = clock_->NowNanos() - pool.State().seeded_at_nanos;
  Writer::CloseReply(&get->reply, get->filled, pool.quality(), get->seed_generation,
                     static_cast<uint64_t>(std::max<int64_t>(age_nanos, 0)) / 1'000'000);
  get->done = true;
  classes_.Leave(get);
  outgoing_.push_back({get->outlet.get(), std::move(get->reply)});
}

// Gets what this pass planned. The bytes stay "planned" in the totals until the reply is whole.
absl::Status Dispatcher::FillGet(PendingGet* get) {
  const PoolSlot& slot = *get->leaf->slot;
  if (get->filled == 0) get->reply = Writer::NewReply(get->request.bytes);
  const absl::StatusOr<uint64_t> generation = writer_.FillReply(
      slot.writer_index, slot.state.discard_epoch, &get->reply, get->filled, get->planned);
  if (!generation.ok()) return generation.status();
  get->seed_generation = *generation;
  get->filled += std::exchange(get->planned, 0);
  return absl::OkStatus();
}

void Dispatcher::Unpark(Session* session, int64_t now_nanos) {
  for (const auto& channel : session->channels()) {
    if (!channel->parked) continue;
    channel->parked = false;
    channel->leaf->slot->tree->Unpark(channel->member, now_nanos);
  }
}

void Dispatcher::UnparkCapped(int64_t now_nanos) {
  // One message's worth of room is enough for one of those that wait.
  uint64_t room = options_.max_in_flight > totals_.in_flight_bytes
                      ? options_.max_in_flight - totals_.in_flight_bytes
                      : 0;
  while (!capped_.empty() && room > 0) {
    Session* const session = capped_.front();
    capped_.pop_front();
    session->capped = false;
    Unpark(session, now_nanos);
    room -= std::min<uint64_t>(room, options_.limits.max_payload);
  }
}

Dispatcher::Progress Dispatcher::NextWake(int64_t now_nanos) const {
  Progress progress;
  progress.wake_nanos = next_sweep_nanos_;
  progress.more = pools_changed_.load(std::memory_order_acquire);
  for (const auto& slot : classes_.slots()) {
    if (!slot->state.ready() || slot->stopped) continue;
    // A pool calls back when bytes arrive while it is empty; what came during the pass did not.
    progress.more = progress.more || slot->more || (slot->hungry && slot->pool->Available() > 0);
    const absl::optional<int64_t> event = slot->tree->NextEventNanos();
    if (!event.has_value()) continue;
    const int64_t next_grid =
        (std::max(*event, now_nanos + 1) + kTimerGridNanos - 1) / kTimerGridNanos * kTimerGridNanos;
    progress.wake_nanos = std::min(progress.wake_nanos, next_grid);
  }
  return progress;
}

}  // namespace entropyd
