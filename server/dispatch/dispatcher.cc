#include "server/dispatch/dispatcher.h"

#include <algorithm>
#include <memory>

namespace entropyd {

void Command::OnMail(uint32_t, int64_t now_nanos) {
  const std::unique_ptr<Command> self(this);
  run_(now_nanos);
}

Dispatcher::Dispatcher(const Options& options, std::vector<PoolSetup> pools, const Clock* clock,
                       Log* log)
    : clock_(clock),
      log_(log),
      budgets_(options.max_in_flight, options.message_bytes),
      classes_(std::move(pools)),
      distributor_(&classes_, &budgets_.all, clock) {
  for (const auto& slot : classes_.slots()) slot->writer_index = writer_.AddPool(slot->pool);
}

Dispatcher::~Dispatcher() = default;

Dispatcher::Progress Dispatcher::Step(int64_t now_nanos) {
  const int64_t until = clock_->NowNanos() + kMaxAbsorbNanos;
  mailbox_.Absorb([now_nanos](MailNode* node, uint32_t events) { node->OnMail(events, now_nanos); },
                  [this, until] { return clock_->NowNanos() < until; });
  if (pools_changed_.exchange(false, std::memory_order_acq_rel)) RefreshPools(false);
  if (now_nanos >= next_sweep_nanos_) Sweep(now_nanos);
  distributor_.Pass(now_nanos);
  for (Protocol* protocol : protocols_) protocol->Flush(now_nanos);

  return {.wake_nanos = std::min(next_sweep_nanos_, distributor_.NextEventNanos(now_nanos)),
          .more = pools_changed_.load(std::memory_order_acquire) || distributor_.more()};
}

void Dispatcher::TakeOutgoing(std::vector<Outgoing>* out) {
  for (Outgoing& outgoing : outgoing_) out->push_back(std::move(outgoing));
  outgoing_.clear();
}

void Dispatcher::Send(Outlet* outlet, MessageBuffer message) {
  outgoing_.push_back({outlet, std::move(message)});
}

void Dispatcher::RefreshPools(bool retry) {
  for (const ClassTable::StateChange& change : classes_.Refresh(retry)) {
    const PoolState& state = change.slot->state;
    log_->Debug("pool.state", {{"pool", change.slot->pool->name()},
                               {"ready", state.ready()},
                               {"degraded", state.degraded()},
                               {"discard", change.discard},
                               {"reason", state.Text()}});
    for (Claimant* claimant : classes_.ClaimantsOf(*change.slot)) {
      claimant->OnPool(state, change.discard);
    }
  }
}

void Dispatcher::Sweep(int64_t now_nanos) {
  next_sweep_nanos_ = now_nanos + kSweepNanos;
  for (Protocol* protocol : protocols_) SweepBy(protocol->Sweep(now_nanos));
  RefreshPools(true);
}

void Dispatcher::SweepBy(int64_t nanos) { next_sweep_nanos_ = std::min(next_sweep_nanos_, nanos); }

absl::Status Dispatcher::UpdateClasses(const ClassUpdate& update, int64_t now_nanos) {
  const absl::StatusOr<std::vector<const Leaf*>> changed = classes_.Update(update, now_nanos);
  if (!changed.ok()) return changed.status();
  TellFigures(*changed);
  return absl::OkStatus();
}

void Dispatcher::TellFigures(const std::vector<const Leaf*>& leaves) {
  for (const Leaf* leaf : leaves) {
    for (const auto& [identity, members] : leaf->members) {
      for (Claimant* member : members->claimants()) member->OnFigures(leaf->rate, leaf->ceil);
    }
  }
}

absl::Status Dispatcher::ChangePools(PoolsChange change, int64_t now_nanos) {
  for (const std::string& name : change.removed) {
    const PoolSlot* const slot = classes_.FindSlot(name);
    if (slot == nullptr) continue;
    Empty(classes_.Leaving(name, {}));
    writer_.RemovePool(slot->writer_index);
    classes_.RemovePool(name);
  }
  absl::Status status;
  for (const ClassesChange& classes : change.changed) {
    Empty(classes_.Leaving(classes.update.pool, classes.update.specs));
    const absl::StatusOr<std::vector<const Leaf*>> changed = classes_.Change(classes, now_nanos);
    status.Update(changed.status());
    if (changed.ok()) TellFigures(*changed);
  }
  for (PoolSetup& setup : change.added) {
    PoolSlot* const slot = classes_.AddPool(std::move(setup));
    slot->writer_index = writer_.AddPool(slot->pool);
  }
  classes_.Sort(change.order);
  return status;
}

void Dispatcher::Empty(const std::vector<Leaf*>& leaves) {
  for (Leaf* leaf : leaves) {
    std::vector<Claimant*> claimants;
    for (const auto& [identity, members] : leaf->members) {
      claimants.insert(claimants.end(), members->claimants().begin(), members->claimants().end());
    }
    for (Claimant* claimant : claimants) claimant->OnRemoval();
  }
}

void Dispatcher::OnRefusal(PoolSlot* slot, const absl::Status& status) {
  if (slot->stopped) return;
  slot->stopped = true;
  log_->Warning("pool.refused", {{"pool", slot->pool->name()}, {"error", status}});
  PoolsChanged();  // its state is not what it was when the pass began
}

}  // namespace entropyd
