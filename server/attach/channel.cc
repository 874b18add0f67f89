#include "server/attach/channel.h"

#include <algorithm>
#include <vector>

#include "absl/types/span.h"
#include "base/wire/attach_limits.h"
#include "server/dispatch/class_table.h"

namespace entropyd {

Channel::Channel(uint32_t number, std::string name, const std::string& identity, Outbox* outbox,
                 Deliveries* sum)
    : number_(number),
      name_(std::move(name)),
      identity_(identity),
      outbox_(outbox),
      plan_(outbox->NewPlan()),
      credit_(number, sum) {
  StateDue(false);
}

uint32_t Channel::Plan(uint32_t bytes) {
  // A full pool keeps its stored bytes for sessions that can take them now.
  const bool ahead = leaf()->slot->pool->quality() == v1::QUALITY_DRBG;
  return outbox_->Plan(&plan_, bytes, ahead ? Outbox::kMaxAhead : 0);
}

void Channel::OnPool(const PoolState& state, bool discard) {
  phase_ = state.ready() ? Phase::kOpen : Phase::kSuspended;
  StateDue(discard);
}

void Channel::OnFigures(uint64_t, uint64_t) { StateDue(false); }

void Channel::OnRemoval() { Expel({.cause = ClassRefusal::Cause::kRemoved}); }

void Channel::Join(Leaf* leaf, uint32_t max_weight) {
  max_weight_ = max_weight;
  Claimant::Join(leaf);
  phase_ = leaf->slot->state.ready() ? Phase::kOpen : Phase::kSuspended;
}

void Channel::Refuse(ClassRefusal refusal) {
  phase_ = Phase::kClosed;
  refusal_ = std::move(refusal);
  StateDue(false);
}

void Channel::Expel(ClassRefusal refusal) {
  End();
  Refuse(std::move(refusal));
}

void Channel::Close() {
  if (phase_ == Phase::kClosed) return;
  End();
  phase_ = Phase::kClosed;
  StateDue(false);
}

void Channel::End() {
  plan_.GiveBack();
  Leave();
}

void Channel::SetMaxWeight(uint32_t max_weight) {
  if (max_weight_ == max_weight) return;
  max_weight_ = max_weight;
  Reweigh();
}

absl::Status Channel::Credit(const v1::Line& line, uint64_t max_credit) {
  const bool closed = phase_ == Phase::kClosed;
  absl::Status taken =
      closed ? credit_.Acknowledge(line, max_credit) : credit_.Take(line, max_credit);
  if (!taken.ok()) return taken;
  guests_ = std::min(line.guests(), kMaxGuests);
  waiting_guests_ =
      line.has_waiting_guests() ? std::min(line.waiting_guests(), kMaxGuests) : guests_;
  return absl::OkStatus();
}

uint32_t Channel::Drawn() {
  const uint32_t bytes = outbox_->MoveToMessage(&plan_);
  credit_.Send(bytes);
  return bytes;
}

void Channel::DrawFailed(int64_t now_nanos) {
  plan_.GiveBack();
  Want(want(), now_nanos);
}

void Channel::StateDue(bool discard) {
  discard_due_ = discard_due_ || discard;
  state_due_ = true;
  outbox_->Tell(Outbox::kStates);
}

void Channel::TellState(v1::ChannelState* state) {
  Describe(state);
  state_due_ = discard_due_ = false;
}

void Channel::Describe(v1::ChannelState* state) const {
  state->set_channel(number_);
  state->set_phase(ToWire(phase_));
  if (phase_ == Phase::kClosed) {
    if (!refusal_.has_value()) return;
    const absl::Status why = ToStatus(*refusal_, Call::kAttach, name_);
    state->set_code(static_cast<uint32_t>(why.code()));
    state->set_reason(std::string(why.message()));
    return;
  }
  const PoolState& pool = leaf()->slot->state;
  if (phase_ == Phase::kSuspended) {
    state->set_code(static_cast<uint32_t>(absl::StatusCode::kUnavailable));
  }
  state->set_reason(pool.Text());
  state->set_quality(leaf()->slot->pool->quality());
  state->set_degraded(pool.degraded());
  state->set_rate(leaf()->rate);
  state->set_ceil(leaf()->ceil == ClassTree::kUnlimited ? 0 : leaf()->ceil);
  // The nearest come first.
  const std::vector<SharedCeiling>& all = leaf()->above;
  const size_t told = std::min(kMaxCeilingsAbove, all.size());
  for (const SharedCeiling& shared : absl::MakeSpan(all).first(told)) {
    v1::Ceiling* const above = state->add_above();
    above->set_class_(shared.name);
    above->set_ceil(shared.ceil);
  }
  state->set_discard_buffered(discard_due_);
}

v1::Phase ToWire(Channel::Phase phase) {
  switch (phase) {
    case Channel::Phase::kOpen:
      return v1::PHASE_OPEN;
    case Channel::Phase::kSuspended:
      return v1::PHASE_SUSPENDED;
    case Channel::Phase::kClosed:
      return v1::PHASE_CLOSED;
  }
  return v1::PHASE_UNSPECIFIED;
}

}  // namespace entropyd
