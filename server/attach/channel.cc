#include "server/attach/channel.h"

#include "server/attach/session.h"
#include "server/dispatch/class_table.h"

namespace entropyd {

Channel::Channel(Session* session, uint32_t number, std::string name, ByteBudget* planned,
                 Deliveries* deliveries)
    : session_(session),
      number_(number),
      name_(std::move(name)),
      plan_(planned),
      delivered_(deliveries) {}

uint32_t Channel::Plan(uint32_t bytes) {
  // A full pool keeps its stored bytes for sessions that can take them now.
  const bool ahead = leaf()->slot->pool->quality() == v1::QUALITY_DRBG;
  return session_->Plan(this, bytes, ahead ? Session::kMaxAhead : 0);
}

void Channel::OnPool(const PoolState& state, bool discard) {
  phase_ = state.ready() ? Phase::kOpen : Phase::kSuspended;
  session_->StateDue(this, discard);
}

void Channel::OnFigures(uint64_t, uint64_t) { session_->StateDue(this, false); }

void Channel::OnRemoval() { session_->Expel(this, {.cause = ClassRefusal::Cause::kRemoved}); }

absl::string_view Channel::identity() const { return session_->peer().identity; }

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
